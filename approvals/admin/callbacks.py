"""ADMIN, records: callbacks with their attempts, and heartbeats."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from approvals.admin.read_only import ReadOnly, RecordAdmin
from approvals.admin.tasks import with_task
from approvals.models import Attempt, Callback, Connection, Heartbeat


class AttemptInline(ReadOnly, admin.TabularInline):
    model = Attempt
    extra = 0
    fields = ("number", "started_at", "finished_at", "result", "code", "detail")


@admin.register(Callback)
class CallbackAdmin(RecordAdmin):
    list_display = ("task", "kind", "status", "fence", "last_error", "created_at", "delivered_at")
    list_filter = ("status", "kind")
    ordering = ("-id",)
    inlines = (AttemptInline,)
    fields = (
        "task",
        "kind",
        "status",
        "output",
        "error",
        "cause",
        "due_at",
        "fence",
        "failures",
        "last_error",
        "created_at",
        "delivered_at",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return with_task(super().get_queryset(request))


class ByConnection(admin.RelatedFieldListFilter):
    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """By name, without loading the connections themselves, which hold secrets."""
        return list(Connection.objects.values_list("pk", "name"))


@admin.register(Heartbeat)
class HeartbeatAdmin(RecordAdmin):
    list_display = ("task", "connection", "every", "due_at", "sent_at", "error")
    list_filter = (("connection", ByConnection),)
    unread = ("connection__secret_ciphertext",)
    ordering = ("due_at",)
    fields = list_display

    def get_queryset(self, request: HttpRequest) -> Any:
        return with_task(super().get_queryset(request)).select_related("connection")
