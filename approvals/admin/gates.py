"""ADMIN, configuration: gates with their stages and runners' keys, and a word of warning where
something is allowed but unlikely to be meant."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten
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
        empty={}, help_text="A JSON Schema of what approving asks for. Blank: as the message says."
    )
    choices = JsonField(
        empty=[],
        help_text="More ways to decide than two: "
        '[{"key": "tonight", "label": "Approve for tonight", "verdict": "approve"}].',
    )
    editable = JsonField(
        empty=[],
        rows=3,
        label="Payload that may be changed",
        help_text='JSON Pointers: ["/amount"]; [""] for all of it.',
    )

    class Meta:
        widgets = {"silence": forms.TextInput(attrs={"class": "vTextField"})}
        help_texts = {
            "kind": "",
            "own_reviewers": "To some of those named here. Otherwise such messages go to "
            "quarantine.",
            "output_key": "For definitions that read one key, such as “$.Payload”.",
            "link_alone_minutes": "The lesser protection: whoever holds the mail can decide, "
            "once. Blank: never.",
            "heartbeat_seconds": "Where neither message nor definition says it.",
            "timeout_seconds": "The same.",
        }

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
    # The sections of docs/gates.md. Later stages come after the second (gate/change_form.html).
    fieldsets = (
        (None, {"fields": ("name", "slug", "description", "kind")}),
        (
            "Who",
            {
                "fields": (
                    *("groups", "users", ("needs", "quorum"), "veto", "exclude_requester"),
                    "own_reviewers",
                )
            },
        ),
        (
            "What is asked",
            {
                "fields": (
                    ("approve_label", "reject_label"),
                    "reason",
                    "form",
                    "choices",
                    "editable",
                )
            },
        ),
        (
            "When",
            {
                "fields": (
                    *("calendar", ("remind_after_minutes", "remind_every_minutes")),
                    *("warn_before_minutes", "escalate_after_minutes", "escalate_to"),
                    *(("decide_within_minutes", "at_deadline"), "silence", "undo_seconds"),
                )
            },
        ),
        ("Mails and links", {"fields": ("mails", ("link_hours", "link_alone_minutes"))}),
        ("Absence and working together", {"fields": ("hand_over",)}),
        (
            "What goes back, and to a retry",
            {
                "fields": (
                    *(("on_reject", "reject_error"), "output_key", "carries_over"),
                    ("heartbeat_seconds", "timeout_seconds"),
                )
            },
        ),
        # Shown for such gates alone (static/admin/countersign.css).
        (
            "Outside jobs",
            {"classes": ("for-job",), "fields": (("job_silence_seconds", "job_key_hours"),)},
        ),
    )
    always_open = (None, "Who", "Outside jobs")
    keys_title = "Runners' keys"
    keys_lead = "What runners show to claim the jobs of this gate, until it is revoked."
    keys_have_names = True

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Messages call a gate by its slug: it must not follow a new name."""
        return {} if obj else dict(self.prepopulated_fields)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Folded where all of it is as by default; never what was sent and refused."""
        return [
            (title, options if self._is_open(request, obj, title, options) else _folded(options))
            for title, options in super().get_fieldsets(request, obj)
        ]

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> Any:
        stages = super().get_inline_instances(request, obj)
        if request.method != "POST" and not (obj and obj.stages.exists()):
            for inline in stages:
                inline.classes = ("collapse",)
        return stages

    def _is_open(self, request: HttpRequest, obj: Any, title: Any, options: Any) -> bool:
        if title in self.always_open or request.method == "POST":
            return True
        return obj is not None and any(
            _says_something(obj, name) for name in flatten(options["fields"])
        )

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


def _folded(options: Any) -> dict[str, Any]:
    return {**options, "classes": ("collapse",)}


def _says_something(gate: Gate, name: str) -> bool:
    """Whether a field is otherwise than by default."""
    field = Gate._meta.get_field(name)
    value = getattr(gate, name)
    if field.many_to_many:
        return bool(value.exists())
    return bool(value != field.get_default())  # type: ignore[union-attr]
