"""DECISION, none taken: an engine says that whole executions have ended, so their tasks go.

The word may come before the message that makes the task, after it, twice, or at the same moment
in another process. So it is remembered, and those who are about to write of one execution take
turns.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import replace

from django.db import connection as database
from django.db.models.functions import Now
from django.utils import timezone

from approvals.audit.record import record
from approvals.decisions.expire import LET_GO_FIELDS, let_go
from approvals.decisions.settle import close_places
from approvals.intake.message import ExecutionNews
from approvals.models import ApprovalTask, Connection, EndedExecution, Heartbeat
from approvals.notices.occasions import Kind, happened

# As long as a queue can hold a message back: SQS and EventBridge keep them for 14 days at most.
REMEMBERED = dt.timedelta(days=15)
CLOCK_SKEW = dt.timedelta(minutes=5)

# In the order of the list, which is sorted: two that want the same turns never wait crosswise.
_TAKE_TURNS = """
    SELECT CASE WHEN alone THEN pg_advisory_xact_lock(turn)
                ELSE pg_advisory_xact_lock_shared(turn) END
    FROM unnest(%s::bigint[], %s::boolean[]) AS wanted(turn, alone)
"""


def take_turns(
    connection: Connection, news: Sequence[ExecutionNews], tasks: Sequence[ApprovalTask]
) -> None:
    """Wait for whoever writes of the same executions, until the end of the caller's transaction.

    News of an execution shut out both its other news and its tasks, and so does a task that is a
    retry; tasks that came first disturb none of their like. A dedupe key has turns of its own.
    Taken for all at once, before anything is written, so that nobody waits with a row in hand.
    """
    named = [task for task in tasks if task.execution_id]
    turns = {_turn(connection, task.execution_id): False for task in named}
    turns |= {_turn(connection, task.execution_id): True for task in named if task.retry_count}
    turns |= {_turn_of_key(task): True for task in tasks if task.dedupe_key}
    turns |= {_turn(connection, item.execution_id): True for item in news}
    if turns:
        wanted = sorted(turns.items())
        with database.cursor() as cursor:
            cursor.execute(_TAKE_TURNS, [[turn for turn, _ in wanted], [one for _, one in wanted]])


def hear(connection: Connection, news: Sequence[ExecutionNews]) -> int:
    """Retire the pending tasks of executions that have ended, and remember these for tasks whose
    message comes later; how many were retired.

    In the caller's transaction, after `take_turns`. Only the newest word on an execution counts:
    what is older than what was heard before changes nothing, nor does hearing it again.
    """
    # What claims to come from the future must not outrank all news to come.
    latest = timezone.now() + CLOCK_SKEW
    newest = _not_known_yet(connection, [replace(one, at=min(one.at, latest)) for one in news])
    EndedExecution.objects.bulk_create(
        [
            EndedExecution(
                connection=connection,
                execution_id=one.execution_id,
                status=one.status,
                ended_at=one.at,
            )
            for one in newest.values()
        ],
        update_conflicts=True,
        unique_fields=["connection", "execution_id"],
        update_fields=["status", "ended_at", "received_at"],
    )
    ends = {name: one for name, one in newest.items() if one.has_ended}
    tasks = (
        ApprovalTask.objects.select_for_update(of=("self",), no_key=True)
        .pending()
        .filter(connection=connection, execution_id__in=ends)
        .only("id", "status", "stage", "deadline", "execution_id", "entered_at")
        .order_by("id")
    )
    return _retire(
        [
            (task, end.status, end.at)
            for task in tasks
            if _is_of_before(task, (end := ends[task.execution_id]).at)
        ]
    )


def retire_late(tasks: Sequence[ApprovalTask]) -> None:
    """Retire those of the tasks just stored whose execution had ended before they came.

    In the transaction that stores them, after `take_turns`, so that nobody ever sees them wait.
    All are of one connection.
    """
    named = [task for task in tasks if task.execution_id]
    if not named:
        return
    ends = {
        end.execution_id: end
        for end in EndedExecution.objects.filter(
            connection=named[0].connection_id,
            execution_id__in={task.execution_id for task in named},
            status__in=ExecutionNews.ENDS,
        )
    }
    _retire(
        [
            (task, end.status, end.ended_at)
            for task in named
            if (end := ends.get(task.execution_id)) and _is_of_before(task, end.ended_at)
        ]
    )


def forget() -> int:
    """Drop what no message can be waiting for any more; how many were dropped."""
    old = EndedExecution.objects.filter(received_at__lt=Now() - REMEMBERED)
    # What is being heard anew at this moment stays: whoever hears holds several, in another order.
    free = old.select_for_update(skip_locked=True).values("pk")
    return EndedExecution.objects.filter(pk__in=free).delete()[0]


def _not_known_yet(
    connection: Connection, news: Sequence[ExecutionNews]
) -> dict[str, ExecutionNews]:
    """The newest word on each execution, where it is newer than what is remembered of it."""
    newest: dict[str, ExecutionNews] = {}
    for one in sorted(news, key=lambda one: (one.at, one.has_ended)):
        if one.has_ended or one.redriven:
            newest[one.execution_id] = one
    known = EndedExecution.objects.filter(connection=connection, execution_id__in=newest)
    for name, at in known.values_list("execution_id", "ended_at"):
        if newest[name].at <= at:
            del newest[name]
    return newest


def _is_of_before(task: ApprovalTask, ended_at: dt.datetime) -> bool:
    """Whether the task's step was entered before that end: a redrive asks anew, after it."""
    return task.entered_at is None or task.entered_at <= ended_at


def _retire(ended: Sequence[tuple[ApprovalTask, str, dt.datetime]]) -> int:
    """`ended` are locked tasks, each with the engine's word for the end, and its time."""
    if not ended:
        return 0
    events = [let_go(task, at, execution=status) for task, status, at in ended]
    tasks = [task for task, _, _ in ended]
    ApprovalTask.objects.bulk_update(tasks, LET_GO_FIELDS)
    Heartbeat.objects.filter(task__in=tasks).delete()
    close_places(tasks)
    happened(Kind.SETTLED, tasks)
    record(*events)
    return len(tasks)


def _turn(connection: Connection, execution_id: str) -> int:
    """64 bits that stand for an execution in PostgreSQL's table of advisory locks."""
    return _number(f"ended:{connection.pk}:{execution_id}")


def _turn_of_key(task: ApprovalTask) -> int:
    return _number(f"key:{task.source_id}:{task.dedupe_key}")


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)
