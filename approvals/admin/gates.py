"""ADMIN, configuration: gates with their runners' keys, and a word if nobody can pass one."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from approvals.admin import examples
from approvals.admin.keys import NewKey, WithKeys
from approvals.errors import CountersignError
from approvals.models import Gate, JobKey, User
from approvals.outside_jobs import keys
from approvals.people.roster import out_of_reach

CLAIMS = "204 means that the key is good and no job waits. If one waits, this takes it."


@admin.register(Gate)
class GateAdmin(WithKeys):
    list_display = ("name", "slug", "kind", "quorum", "exclude_requester", "on_reject")
    search_fields = ("name", "slug")
    filter_horizontal = ("groups", "users")
    prepopulated_fields = {"slug": ("name",)}
    fieldsets = (
        (None, {"fields": ("name", "slug", "description", "kind")}),
        ("Who reviews", {"fields": ("groups", "users", "quorum", "exclude_requester")}),
        ("What is asked", {"fields": ("approve_label", "reject_label", "reason")}),
        ("What goes back", {"fields": ("on_reject", "reject_error", "output_key")}),
        (
            "Where messages do not say",
            {"fields": ("heartbeat_seconds", "timeout_seconds")},
        ),
        ("When the workflow asks anew", {"fields": ("carries_over",)}),
        # Shown for such gates alone (static/admin/countersign.css).
        (
            "Outside jobs",
            {"classes": ("for-job",), "fields": ("job_silence_seconds", "job_key_hours")},
        ),
    )
    keys_title = "Runners' keys"
    keys_lead = "What runners show to claim the jobs of this gate, until it is revoked."
    keys_have_names = True

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Messages call a gate by its slug: it must not follow a new name."""
        return {} if obj else dict(self.prepopulated_fields)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if warning := out_of_reach(form.instance):
            self.message_user(request, warning, messages.WARNING)

    # --- Keys ---

    def takes_keys(self, obj: Gate) -> bool:
        return obj.kind == Gate.Kind.JOB

    def keys_of(self, obj: Gate) -> QuerySet[JobKey]:
        return JobKey.objects.filter(gate=obj).defer("digest")

    def make_key(self, request: HttpRequest, obj: Gate, actor: User) -> NewKey:
        name = " ".join(request.POST.get("name", "").split())
        if not name or len(name) > 100 or not name.isprintable():
            raise CountersignError("Say in at most 100 characters who will use the key.")
        if self.keys_of(obj).count() >= self.most_keys:
            raise CountersignError(f"{self.most_keys} keys are the most. Revoke one first.")
        issued = keys.issue_runner_key(obj, name, actor)
        address = settings.SITE_URL + reverse("api:claim", args=[obj.slug])
        facts = {"Gate": obj.slug, "Name": name}
        return NewKey(facts, issued.secret, examples.claim_job(address), CLAIMS)

    def revoke_key(self, key: JobKey, actor: User) -> None:
        keys.revoke(key, actor)
