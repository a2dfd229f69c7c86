"""DECISION, none taken: tasks whose step has ended leave the inbox, with the reason.

Nothing is called expired by our clock alone: at the deadline the engine is asked first.
"""

import datetime as dt
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models.functions import Now

from approvals.audit.record import Action, event, record
from approvals.engines.base import Fate
from approvals.engines.registry import engine_for
from approvals.errors import CallbackRefused, EngineError, SecretUnreadable, TaskGone
from approvals.models import ApprovalTask, Heartbeat
from approvals.states import TaskStatus

log = structlog.get_logger(__name__)

BATCH = 50
CHECK_AGAIN = dt.timedelta(seconds=30)  # also the lease of a batch in hand

TIME_RAN_OUT = "Time ran out before this was decided."
WORKFLOW_ENDED = "The workflow ended before this was decided."


@transaction.atomic
def retire(task_id: UUID) -> None:
    """The engine says that the step is over: no more heartbeats, and nothing left to decide.

    A task that is settled already keeps its outcome; its callback learns by itself that nobody
    waits any more.
    """
    Heartbeat.objects.filter(task_id=task_id).delete()
    task = (
        ApprovalTask.objects.select_for_update(of=("self",))
        .only("id", "status", "deadline")
        .annotate(now=Now())
        .get(pk=task_id)
    )
    if not task.is_pending:
        return
    in_time = task.deadline is None or task.now < task.deadline
    task.status = TaskStatus.CANCELLED if in_time else TaskStatus.EXPIRED
    task.settled_reason = WORKFLOW_ENDED if in_time else TIME_RAN_OUT
    task.settled_at = Now()
    task.save(update_fields=["status", "settled_reason", "settled_at"])
    record(event(Action.ENDED if in_time else Action.EXPIRED, task=task))
    log.info("task retired", task=str(task_id), now=task.status)


def expire_due() -> int:
    """Ask the engines about tasks past their deadline; how many were asked about."""
    with transaction.atomic():
        tasks = list(
            ApprovalTask.objects.select_for_update(skip_locked=True, of=("self",))
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
    try:
        engine = engine_for(task.connection.config)
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
