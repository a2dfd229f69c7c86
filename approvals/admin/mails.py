"""ADMIN, records: who was told of what, and the mails that did it. No mail's text is kept."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from approvals.admin.read_only import RecordAdmin
from approvals.admin.tasks import with_task
from approvals.models import Mail, Notice


@admin.register(Mail)
class MailAdmin(RecordAdmin):
    list_display = ("person", "address", "subject", "status", "created_at", "sent_at")
    list_filter = ("status",)
    ordering = ("-id",)
    fields = (
        "person",
        "address",
        "subject",
        "status",
        "due_at",
        "fence",
        "failures",
        "last_error",
        "provider_id",
        "created_at",
        "sent_at",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("person")


@admin.register(Notice)
class NoticeAdmin(RecordAdmin):
    list_display = ("task", "person", "kind", "created_at", "due_at", "mail")
    list_filter = ("kind",)
    ordering = ("-id",)
    fields = ("task", "person", "kind", "data", "created_at", "due_at", "mail")

    def get_queryset(self, request: HttpRequest) -> Any:
        return with_task(super().get_queryset(request)).select_related("person", "mail")
