"""ADMIN, configuration: gates, and a word if nobody can pass one."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from approvals.admin.on_the_record import OnTheRecord
from approvals.models import Gate
from approvals.people.eligibility import out_of_reach


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
