"""MESSAGE IN, by address: one URL a source, for programs. Stores, then answers."""

import datetime as dt
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest, JsonResponse
from structlog.contextvars import bind_contextvars

from approvals.intake.accept import accept
from approvals.intake.http import check_content_type, for_programs, problem, read_body
from approvals.intake.sources.base import CallerRefused
from approvals.intake.sources.registry import called
from approvals.models import Source

HEARD_EVERY = dt.timedelta(seconds=1)  # how exact `last_message_at` is


@for_programs
def receive(request: HttpRequest, address: UUID) -> JsonResponse:
    """202 with the task's id, the same for each delivery of a message, once all is committed.

    202 without one for news of executions and for confirmations. 422 for what came from the right
    caller and was not understood: it is in quarantine, so sending it again changes nothing.
    Everything else is a refusal (`CallerRefused`) that has stored nothing.
    """
    source = _source_at(address)
    bind_contextvars(source=source.name)  # for every log line of this request
    way_in = called(source)
    body = read_body(request, way_in.max_bytes)
    check_content_type(request, way_in.content_types)
    message = way_in.verify(request.headers, body)
    if message is None:
        return JsonResponse({"taskId": None}, status=202)

    [acceptance] = accept(source, [message])
    _heard_from(source)
    if acceptance.problem:
        held = acceptance.problem
        return problem(422, held.code, str(held), quarantined=True)
    if acceptance.task_id is None:
        return JsonResponse({"taskId": None}, status=202)
    # Not how the task stands by now: that is nothing to its sender.
    return JsonResponse({"taskId": acceptance.task_id, "status": "pending"}, status=202)


def _source_at(address: UUID) -> Source:
    source = (
        Source.objects.select_related("connection")
        .filter(address=address, enabled=True, kind__in=Source.CALLED)
        .first()
    )
    if source is None:
        raise CallerRefused(404, "unknown_address", "Nothing is taken at this address.")
    return source


def _heard_from(source: Source) -> None:
    """Once a second at most, so that callers don't queue up for the row."""
    Source.objects.filter(
        Q(last_message_at__isnull=True) | Q(last_message_at__lt=Now() - HEARD_EVERY), pk=source.pk
    ).update(last_message_at=Now())
