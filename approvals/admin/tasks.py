"""ADMIN, records: tasks and decisions. Payloads are read on a task's own page."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import path, reverse
from django.utils.html import format_html

from approvals.admin import decide
from approvals.admin.read_only import RecordAdmin
from approvals.models import ApprovalTask, Decision, User
from approvals.people.eligibility import Person


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

    # --- deciding, for whoever is a reviewer too ---

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.decide_view)
        name = "approvals_approvaltask_decide"
        return [path("<uuid:task_id>/decide/", view, name=name), *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if task := context.get("original"):
            context["deciding"] = decide.ways(task, _person(request))
        return super().render_change_form(request, context, *args, **kwargs)

    def decide_view(self, request: HttpRequest, task_id: UUID) -> HttpResponse:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        each = self.admin_site.each_context(request) | {"opts": self.opts}
        return decide.decide_view(request, self._whole(task_id), _person(request), each)

    def _whole(self, task_id: UUID) -> ApprovalTask:
        """With the payload, which a form may start from; never with the token."""
        found = ApprovalTask.objects.select_related("gate", "connection", "claimed_by")
        found = found.without_secrets().defer("connection__secret_ciphertext")
        if (task := found.filter(pk=task_id).first()) is None:
            raise Http404("There is no such task.")
        return task


@admin.register(Decision)
class DecisionAdmin(RecordAdmin):
    list_display = ("task", "reviewer", "verdict", "via", "decided_at")
    list_filter = ("verdict", "via")
    ordering = ("-id",)
    fields = (
        *("task", "stage", "reviewer", "on_behalf_of", "verdict", "choice", "comment", "via"),
        *("decided_at", "withdrawn_at"),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return with_task(super().get_queryset(request)).select_related("reviewer", "on_behalf_of")


def _person(request: HttpRequest) -> Person:
    assert isinstance(request.user, User)
    return Person(request.user)


def with_task(rows: Any) -> Any:
    """`rows` with the title of their task, and nothing else of it."""
    title_only = [
        f"task__{field.name}"
        for field in ApprovalTask._meta.concrete_fields
        if field.name not in ("id", "title")
    ]
    return rows.select_related("task").defer(*title_only)
