"""ADMIN, configuration: gates, and a word if nobody can pass one."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q
from django.http import HttpRequest
from django.template.defaultfilters import pluralize

from approvals.admin.on_the_record import OnTheRecord
from approvals.models import Gate, User


@admin.register(Gate)
class GateAdmin(OnTheRecord):
    list_display = ("name", "slug", "quorum", "exclude_requester", "on_reject")
    search_fields = ("name", "slug")
    filter_horizontal = ("groups", "users")
    prepopulated_fields = {"slug": ("name",)}
    fieldsets = (
        (None, {"fields": ("name", "slug", "description")}),
        ("Who reviews", {"fields": ("groups", "users", "quorum", "exclude_requester")}),
        ("What is asked", {"fields": ("approve_label", "reject_label", "reason_required")}),
        ("What goes back", {"fields": ("on_reject", "reject_error", "output_key")}),
        (
            "Where messages do not say",
            {"fields": ("heartbeat_seconds", "timeout_seconds")},
        ),
    )

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Messages call a gate by its slug: it must not follow a new name."""
        return {} if obj else dict(self.prepopulated_fields)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if warning := out_of_reach(form.instance):
            self.message_user(request, warning, messages.WARNING)


def out_of_reach(gate: Gate) -> str:
    """Why nobody can pass `gate`, or blank."""
    able = (
        User.objects.filter(is_active=True)
        .filter(Q(gates=gate) | Q(groups__gates=gate))
        .distinct()
        .count()
    )
    if able < gate.quorum:
        return (
            f"“{gate}” can't be passed: it requires {gate.quorum} "
            f"approval{pluralize(gate.quorum)} and has {able} active reviewer{pluralize(able)}. "
            "Add a team or reviewers."
        )
    if gate.exclude_requester and able == gate.quorum:
        return (
            f"“{gate}” can't be passed when a reviewer is the requester: then {able - 1} of the "
            f"{able} required approvals can be given. Add one more reviewer."
        )
    return ""
