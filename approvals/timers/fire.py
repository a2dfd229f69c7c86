"""WHEN, fired: what is due happens, once.

Each timer in one transaction of its own: what it brings about commits with its end, or with its
next time. Task and timer are locked together and without waiting, as whoever decides locks the
task first; what is in other hands comes round with the next sweep.
"""

import datetime as dt
import time
from collections.abc import Callable

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now

from approvals.audit.record import Action, event, record
from approvals.decisions import overdue, retally
from approvals.decisions.decide import lock
from approvals.models import ApprovalTask, Place, Timer
from approvals.notices.occasions import Kind as Occasion, happened
from approvals.states import TaskStatus
from approvals.timers.plan import next_reminder

log = structlog.get_logger(__name__)

Kind = Timer.Kind
RETRY = dt.timedelta(minutes=1)  # of one that failed in a way that nobody thought of

# Of tasks that wait no more; many, after a busy day.
_DROP = """
    DELETE FROM approvals_timer WHERE id IN (
        SELECT m.id FROM approvals_timer m JOIN approvals_approvaltask t ON t.id = m.task_id
         WHERE m.at <= statement_timestamp() AND t.status <> 'pending'
         LIMIT 5000 FOR UPDATE OF m SKIP LOCKED)
"""


def due(*, seconds: float = 10.0) -> int:
    """Fire what is due until nothing is, for some `seconds`; how many that were."""
    until = time.monotonic() + seconds
    fired = 0
    with connection.cursor() as cursor:
        cursor.execute(_DROP)
    while time.monotonic() < until and _fire_next():
        fired += 1
    return fired


def _fire_next() -> bool:
    timer: Timer | None = None
    try:
        with transaction.atomic():
            timer = _take()
            if timer is None:
                return False
            task = lock(timer.task_id)
            again = _EFFECTS[Kind(timer.kind)](task, timer.now)  # type: ignore[attr-defined]
            if again is None:
                timer.delete()
            else:
                Timer.objects.filter(pk=timer.pk).update(at=again)
    except Exception as error:
        if timer is None:
            raise
        log.error("timer failed", task=str(timer.task_id), kind=timer.kind, exc_info=error)
        Timer.objects.filter(pk=timer.pk).update(at=Now() + RETRY)
    return True


def _take() -> Timer | None:
    """The longest due. A decision that can still be undone holds all timers of its task up."""
    return (
        Timer.objects.select_for_update(of=("self", "task"), skip_locked=True, no_key=True)
        .select_related("task")
        .only("kind", "task__status")
        .annotate(now=Now())
        .filter(at__lte=Now(), task__status=TaskStatus.PENDING, task__settles_at__isnull=True)
        .order_by("at")  # by nothing else: thousands may be due at one moment
        .first()
    )


def _remind(task: ApprovalTask, now: dt.datetime) -> dt.datetime | None:
    happened(Occasion.REMINDED, [task])
    record(event(Action.REMINDED, task=task))
    return next_reminder(task, now)


def _escalate(task: ApprovalTask, now: dt.datetime) -> None:
    groups = list(task.gate.escalate_to.order_by("name"))
    if not groups:
        return
    Place.objects.bulk_create(
        Place(task=task, group=group, why=Place.Why.ESCALATED) for group in groups
    )
    task.has_places, task.escalated_at = True, now
    task.save(update_fields=["has_places", "escalated_at"])
    happened(Occasion.ESCALATED, [task])
    record(event(Action.ESCALATED, task=task, groups=[group.name for group in groups]))


def _running_out(task: ApprovalTask, now: dt.datetime) -> None:
    happened(Occasion.RUNNING_OUT, [task])


def _overdue(task: ApprovalTask, now: dt.datetime) -> None:
    overdue.act(task.pk)


def _retally(task: ApprovalTask, now: dt.datetime) -> None:
    retally.retally(task)


_EFFECTS: dict[str, Callable[[ApprovalTask, dt.datetime], dt.datetime | None]] = {
    Kind.REMIND: _remind,
    Kind.ESCALATE: _escalate,
    Kind.RUNNING_OUT: _running_out,
    Kind.OVERDUE: _overdue,
    Kind.RETALLY: _retally,
}
