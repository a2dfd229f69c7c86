"""RECORD, read by auditors: the ledger as a page and as a file. Changes nothing."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from approvals.audit import export, ledger
from approvals.audit.forms import ITSELF, SUGGESTED, LedgerForm
from approvals.audit.words import details
from approvals.models import AuditEvent, User
from approvals.people.roles import AUDIT


@dataclass(frozen=True, slots=True)
class Line:
    """One audit event as the page shows it, formatted beforehand: a hundred make a page."""

    id: int
    at: str
    when: str
    who: str
    username: str
    what: str
    tone: str
    task_id: UUID | None
    title: str
    context: str
    details: list[tuple[str, str]]


@login_required
@permission_required(AUDIT, raise_exception=True)
@never_cache
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The newest lines of a view; what can't be understood finds nothing and is said so."""
    form = LedgerForm(request.GET)
    valid = form.is_valid()
    page = ledger.page(form.view(), form.cleaned_data["before"]) if valid else ledger.Page([], None)
    asked = _asked(request)
    return render(
        request,
        "audit/ledger.html",
        {
            "form": form,
            "lines": [_line(row) for row in page.rows],
            "people": User.objects.order_by("username").only("username", "first_name", "last_name")[
                :SUGGESTED
            ],
            "itself": ITSELF,
            "older": urlencode({**asked, "before": page.older}) if page.older else "",
            "is_newest": "before" not in request.GET,
            "newest": urlencode(asked),
            "is_filtered": bool(asked),
            "zone": timezone.get_current_timezone_name(),
        },
        status=200 if valid else 400,
    )


@login_required
@permission_required(AUDIT, raise_exception=True)
@require_safe
def download(request: HttpRequest) -> StreamingHttpResponse | HttpResponse:
    """All lines of the same view, from its newest on, as CSV."""
    form = LedgerForm(_asked(request))
    if not form.is_valid():
        return HttpResponseBadRequest(
            "This view of the ledger can't be understood.", content_type="text/plain"
        )
    response = StreamingHttpResponse(
        export.lines(ledger.everything(form.view())), content_type="text/csv; charset=utf-8"
    )
    name = f"countersign-ledger-{timezone.localdate()}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _asked(request: HttpRequest) -> dict[str, str]:
    """The view in the address, without its place in the list."""
    return {
        name: request.GET[name]
        for name in LedgerForm.base_fields
        if name != "before" and request.GET.get(name)
    }


def _line(row: dict[str, Any]) -> Line:
    at = timezone.localtime(row["at"])
    context = (row["task__gate__name"], row["task__workflow"], row["task__execution_name"])
    data = dict(row["data"])
    if row["task_id"]:
        data.pop("gate", None)  # stands beside the task already
    return Line(
        id=row["id"],
        at=at.isoformat(),
        when=f"{at:%d %b %Y, %H:%M:%S %Z}",
        who=row["actor_name"] or ITSELF,
        username=row["actor__username"] or "",
        what=_WHAT.get(row["action"], row["action"]),
        tone=_TONES.get(row["action"], ""),
        task_id=row["task_id"],
        title=row["task__title"] or "",
        context=" · ".join(part for part in context if part),
        details=details(data),
    )


_WHAT = dict(AuditEvent.Action.choices)
_TONES = {
    AuditEvent.Action.APPROVED: "approve",
    AuditEvent.Action.DELIVERED: "approve",
    AuditEvent.Action.JOB_SUCCEEDED: "approve",
    AuditEvent.Action.JOB_FAILED: "reject",
    AuditEvent.Action.JOB_SILENT: "soon",
    AuditEvent.Action.REJECTED: "reject",
    AuditEvent.Action.DEAD: "reject",
    AuditEvent.Action.QUARANTINED: "soon",
    AuditEvent.Action.UNCONFIRMED: "soon",
    AuditEvent.Action.EXPIRED: "soon",
    AuditEvent.Action.CONFIGURED: "accent",
}
