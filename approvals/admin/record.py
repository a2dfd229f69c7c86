"""ADMIN, records: audit events and messages that were not understood."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from approvals.admin.read_only import RecordAdmin
from approvals.admin.tasks import with_task
from approvals.models import AuditEvent, QuarantinedMessage


@admin.register(AuditEvent)
class AuditEventAdmin(RecordAdmin):
    """The plain rows; the ledger is the place to search them."""

    list_display = ("id", "at", "action", "actor_name", "task")
    list_filter = ("action",)
    ordering = ("-at", "-id")
    fields = ("at", "action", "task", "actor", "actor_name", "data")

    def get_queryset(self, request: HttpRequest) -> Any:
        return with_task(super().get_queryset(request)).select_related("actor")


@admin.register(QuarantinedMessage)
class QuarantinedMessageAdmin(RecordAdmin):
    list_display = ("received_at", "source", "status", "code", "reason")
    list_filter = ("status", "source")
    ordering = ("-id",)
    unread = ("body_ciphertext", "body_digest")
    fields = (
        "source",
        "status",
        "code",
        "reason",
        "shown",
        "received_at",
        "task",
        "discard_reason",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return with_task(super().get_queryset(request)).select_related("source")
