"""ADMIN, records: tasks and decisions. Payloads are read on a task's own page."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from approvals.admin.read_only import RecordAdmin
from approvals.models import ApprovalTask, Decision


@admin.register(ApprovalTask)
class ApprovalTaskAdmin(RecordAdmin):
    list_display = ("title", "status", "gate", "workflow", "requested_by", "received_at")
    list_filter = ("status", "gate")
    list_select_related = ("gate", "source", "connection")
    ordering = ("-id",)
    unread = (
        "token_ciphertext",
        "edited_payload",
        "token_digest",
        "search",
        "payload",
        "summary",
        "links",
        "connection__secret_ciphertext",
    )
    fields = (
        "page",
        "title",
        "status",
        "gate",
        "source",
        "connection",
        "requested_by",
        "workflow",
        "workflow_id",
        "execution_name",
        "execution_id",
        "state",
        "dedupe_key",
        "received_at",
        "heartbeat_seconds",
        "deadline",
        "approvals",
        "settled_at",
        "settled_reason",
    )

    @admin.display(description="page")
    def page(self, task: ApprovalTask) -> str:
        return format_html('<a href="{}">Open the task</a>', reverse("task", args=[task.pk]))

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("gate", "source", "connection")


@admin.register(Decision)
class DecisionAdmin(RecordAdmin):
    list_display = ("task", "reviewer", "verdict", "via", "decided_at")
    list_filter = ("verdict", "via")
    ordering = ("-id",)
    fields = ("task", "reviewer", "verdict", "comment", "via", "decided_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        return with_task(super().get_queryset(request)).select_related("reviewer")


def with_task(rows: Any) -> Any:
    """`rows` with the title of their task, and nothing else of it."""
    title_only = [
        f"task__{field.name}"
        for field in ApprovalTask._meta.concrete_fields
        if field.name not in ("id", "title")
    ]
    return rows.select_related("task").defer(*title_only)
