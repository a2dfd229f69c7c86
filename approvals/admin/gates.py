"""ADMIN, configuration: gates with their stages and runners' keys, and a word of warning where
something is allowed but unlikely to be meant."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from approvals.admin import examples
from approvals.admin.json_field import JsonField
from approvals.admin.keys import NewKey, WithKeys
from approvals.admin.stages import StageInline
from approvals.decisions.retally import retally_later
from approvals.errors import CountersignError
from approvals.gates.apply import COUNTED, values_of
from approvals.gates.check import check_gate
from approvals.gates.document import STAGES, written
from approvals.gates.warnings import warnings_of
from approvals.models import Gate, JobKey, Stage, User
from approvals.outside_jobs import keys

CLAIMS = "204 means that the key is good and no job waits. If one waits, this takes it."


class GateForm(forms.ModelForm):
    instance: Gate

    form = JsonField(
        empty={},
        help_text="A JSON Schema (an object with flat properties) of what approving asks for. "
        "Blank: what the message brings, if anything.",
    )
    choices = JsonField(
        empty=[],
        help_text="More than two ways to decide, each with its own output: "
        '[{"key": "tonight", "label": "Approve for tonight", "verdict": "approve", '
        '"output": {"at": "22:00"}}].',
    )
    editable = JsonField(
        empty=[],
        rows=3,
        label="Payload that may be changed",
        help_text='A list of JSON Pointers, such as ["/amount"]; [""] for all of it.',
    )

    class Meta:
        widgets = {"silence": forms.TextInput(attrs={"class": "vTextField"})}

    def _post_clean(self) -> None:
        """The rules of a gate, once its own fields are right."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        said = self.cleaned_data
        try:
            check_gate(self.instance, said["groups"], said["escalate_to"])
        except ValidationError as error:
            self.add_error(None, error)


@admin.register(Gate)
class GateAdmin(WithKeys):
    form = GateForm
    inlines = (StageInline,)
    list_display = ("name", "slug", "kind", "needs", "quorum", "exclude_requester", "on_reject")
    search_fields = ("name", "slug")
    filter_horizontal = ("groups", "users", "escalate_to")
    prepopulated_fields = {"slug": ("name",)}
    fieldsets = (
        (None, {"fields": ("name", "slug", "description", "kind")}),
        (
            "Who",
            {
                "fields": (
                    *("groups", "users", "needs", "quorum", "veto", "exclude_requester"),
                    *("own_reviewers", "hand_over"),
                )
            },
        ),
        (
            "What is asked",
            {
                "fields": (
                    *("approve_label", "reject_label", "reason", "form", "choices", "editable"),
                )
            },
        ),
        (
            "When",
            {
                "fields": (
                    *("calendar", "remind_after_minutes", "remind_every_minutes"),
                    *("warn_before_minutes", "escalate_after_minutes", "escalate_to"),
                    *("decide_within_minutes", "at_deadline", "silence", "undo_seconds"),
                )
            },
        ),
        ("Mails and links", {"fields": ("mails", "link_hours", "link_alone_minutes")}),
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
        if change and (
            COUNTED & set(form.changed_data) or any(formset.has_changed() for formset in formsets)
        ):
            retally_later(form.instance)
        for warning in warnings_of(form.instance):
            self.message_user(request, warning, messages.WARNING)

    def snapshot_of(self, obj: Gate) -> dict[str, Any]:
        stages = [written(stage, Stage) for stage in values_of(obj)[STAGES]]
        return super().snapshot_of(obj) | {"later stages": stages}

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
