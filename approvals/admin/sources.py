"""ADMIN, configuration: where messages enter, and how to reach the engines."""

from django.contrib import admin

from approvals.admin.on_the_record import OnTheRecord
from approvals.models import Connection, Source


@admin.register(Source)
class SourceAdmin(OnTheRecord):
    list_display = (
        "name",
        "kind",
        "enabled",
        "connection",
        "gate",
        "last_message_at",
        "last_poll_at",
        "last_error",
    )
    list_select_related = ("connection", "gate")
    search_fields = ("name", "queue_url")
    readonly_fields = ("last_message_at", "last_poll_at", "last_error")
    fieldsets = (
        (None, {"fields": ("name", "kind", "enabled")}),
        ("The queue", {"fields": ("queue_url", "region", "endpoint_url")}),
        ("Its messages", {"fields": ("connection", "gate")}),
        ("How it is doing", {"fields": readonly_fields}),
    )


@admin.register(Connection)
class ConnectionAdmin(OnTheRecord):
    list_display = ("name", "kind", "region", "probe_seconds")
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "kind")}),
        ("Where", {"fields": ("region", "endpoint_url")}),
        ("Steps without heartbeats", {"fields": ("probe_seconds",)}),
    )
