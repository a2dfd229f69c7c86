"""RECORD, searched: which audit events a view of the ledger holds. Reads only, a page at a time.

Newest first by (at, id). The cursor is the id of the last line of a page: the record is
append-only, so that line is always there to go on from.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.search import SearchQuery
from django.db.models import Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan

from approvals.models import ApprovalTask, AuditEvent
from approvals.states import TaskStatus

PAGE = 100
CHUNK = 2_000  # lines of an export that are in memory at once

# All that a line shows: no payload, no ciphertext.
COLUMNS = (
    "id",
    "at",
    "action",
    "actor_name",
    "actor__username",
    "data",
    "task_id",
    "task__title",
    "task__workflow",
    "task__execution_name",
    "task__gate__name",
)


@dataclass(frozen=True, slots=True)
class View:
    """What to look for; blank fields ask for nothing. `by_itself`: what no person did."""

    action: str = ""
    actor_id: int | None = None
    by_itself: bool = False
    gate_id: int | None = None
    task_id: UUID | None = None
    pointed_out: bool = False  # only decisions about which something is (decisions/guard.py)
    words: tuple[str, ...] = ()
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Up to 100 lines, and the cursor of the next older page if there is one."""

    rows: list[dict[str, Any]]
    older: int | None


def page(view: View, before: int | None = None) -> Page:
    """The newest lines of `view`, or those older than the line `before`. At most two queries."""
    rows = list(_older_than(_events(view), before)[: PAGE + 1])
    return Page(rows[:PAGE], rows[PAGE - 1]["id"] if len(rows) > PAGE else None)


def everything(view: View) -> Iterator[dict[str, Any]]:
    """All lines of `view`, chunk by chunk: no cursor and no transaction stays open meanwhile."""
    events, last = _events(view), None
    while True:
        rows = list(_older_than(events, last)[:CHUNK])
        yield from rows
        if len(rows) < CHUNK:
            return
        last = rows[-1]["id"]


def _events(view: View) -> QuerySet[AuditEvent, dict[str, Any]]:
    events = AuditEvent.objects.order_by("-at", "-id").values(*COLUMNS)
    if view.action:
        events = events.filter(action=view.action)
    if view.actor_id is not None:
        events = events.filter(actor=view.actor_id)
    if view.by_itself:
        events = events.filter(actor=None)
    if view.task_id:
        events = events.filter(task=view.task_id)
    if view.pointed_out:
        events = events.filter(data__has_key="pointed_out")
    if view.since:
        events = events.filter(at__gte=view.since)
    if view.until:
        events = events.filter(at__lt=view.until)
    if view.gate_id is not None or view.words:
        events = events.filter(task__in=_tasks(view))
    return events


def _tasks(view: View) -> QuerySet[ApprovalTask]:
    tasks = ApprovalTask.objects.all()
    if view.gate_id is not None:
        # Every task is one or the other; said so, each of the two partial indexes applies.
        tasks = tasks.filter(gate=view.gate_id).filter(
            Q(status=TaskStatus.PENDING) | Q(settled_at__isnull=False)
        )
    if view.words:
        tasks = tasks.filter(
            search=SearchQuery(
                " & ".join(map(_prefix, view.words)), config="simple", search_type="raw"
            )
        )
    return tasks


def _prefix(word: str) -> str:
    """One word of a tsquery, quoted, that also finds longer words."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}':*"


def _older_than(
    events: QuerySet[AuditEvent, dict[str, Any]], before: int | None
) -> QuerySet[AuditEvent, dict[str, Any]]:
    if before is None:
        return events
    last = AuditEvent.objects.filter(pk=before).values_list("at", "id").first()
    return events.filter(TupleLessThan(Tuple("at", "id"), last)) if last else events.none()
