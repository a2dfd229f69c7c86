"""DECISION, none taken: tasks whose step has ended leave the inbox, with the reason.

Nothing is called expired by our clock alone: at the deadline the engine is asked first. Where
nobody can be asked (a callback address), the deadline that the message gave is all there is.
"""

import datetime as dt
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from approvals.audit.record import Action, event, record
from approvals.callbacks.pace import LOOK_UP_CALLS, pace_of, spare, try_take
from approvals.decisions.settle import close_places
from approvals.engines.base import Fate
from approvals.engines.registry import engine_for, kind_of
from approvals.errors import CallbackRefused, EngineError, SecretUnreadable, TaskGone
from approvals.models import ApprovalTask, AuditEvent, Heartbeat
from approvals.notices.occasions import Kind, happened
from approvals.states import TaskStatus

log = structlog.get_logger(__name__)

BATCH = 50
CHECK_AGAIN = dt.timedelta(seconds=30)  # also the lease of a batch in hand

TIME_RAN_OUT = "Time ran out before this was decided."
WORKFLOW_ENDED = "The workflow ended before this was decided."
LET_GO_FIELDS = ("status", "settled_reason", "settled_at", "settles_at")


@transaction.atomic
def retire(task_id: UUID) -> None:
    """The engine says that the step is over: no more heartbeats, and nothing left to decide.

    A task that is settled already keeps its outcome; its callback learns by itself that nobody
    waits any more.
    """
    task = (
        ApprovalTask.objects.select_for_update(of=("self",), no_key=True)
        .only("id", "status", "stage", "deadline")
        .annotate(now=Now())
        .get(pk=task_id)
    )
    Heartbeat.objects.filter(task_id=task_id).delete()
    if not task.is_pending:
        return
    gone = let_go(task, task.now)
    task.save(update_fields=LET_GO_FIELDS)
    close_places([task])
    happened(Kind.SETTLED, [task])
    record(gone)


def let_go(task: ApprovalTask, ended_at: dt.datetime, **data: Any) -> AuditEvent:
    """Change the state of a locked task whose step is over since `ended_at`.

    The caller saves `LET_GO_FIELDS`, and records the event that comes back, in its transaction.
    """
    in_time = task.deadline is None or ended_at < task.deadline
    task.status = TaskStatus.CANCELLED if in_time else TaskStatus.EXPIRED
    task.settled_reason = WORKFLOW_ENDED if in_time else TIME_RAN_OUT
    task.settled_at, task.settles_at = Now(), None
    log.info("task retired", task=str(task.pk), now=task.status)
    return event(Action.ENDED if in_time else Action.EXPIRED, task=task, **data)


def expire_due() -> int:
    """Ask the engines about tasks past their deadline; how many were asked about."""
    with transaction.atomic():
        tasks = list(
            ApprovalTask.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
            .select_related("connection")
            .pending()
            .filter(expiry_due_at__lte=Now())
            .defer("payload", "summary", "search", "links")
            .order_by("expiry_due_at")[:BATCH]
        )
        ApprovalTask.objects.filter(pk__in=[task.pk for task in tasks]).update(
            expiry_due_at=Now() + CHECK_AGAIN
        )
    for task in tasks:
        if _is_over(task):
            retire(task.pk)
    return len(tasks)


def _is_over(task: ApprovalTask) -> bool:
    """Whether the engine has stopped waiting. When in doubt it has not: the task is asked about
    again, and people may still decide."""
    if not kind_of(task.connection.kind).can_be_asked(task.execution_id):
        return True
    pace = pace_of(task.connection.kind)
    if pace and try_take(task.connection_id, pace, calls=LOOK_UP_CALLS, reserve=spare(pace)):
        return False  # its quota is needed for answers
    try:
        engine = engine_for(task.connection.config)
        if task.deadline is None or timezone.now() < task.deadline:
            # Asked early, since its job is silent: a heartbeat would keep the step alive for it.
            fate = engine.find_out(task.step, "")
            if fate != Fate.UNKNOWN:
                return fate == Fate.OTHERWISE
        try:
            engine.heartbeat(task.step)
        except TaskGone:
            return True
        except CallbackRefused:
            pass
        return engine.find_out(task.step, "") == Fate.OTHERWISE
    except (EngineError, SecretUnreadable) as error:
        log.warning("can't ask whether time ran out", task=str(task.pk), error=str(error))
        return False
