"""CALLBACK OUT, the queue: rows of PostgreSQL, taken by lease and fencing number.

A callback is written in the transaction of its decision. Celery is only told that there is one; if
Redis is gone, beat's sweep finds it.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Manager, QuerySet
from django.db.models.functions import Now

from approvals import wake
from approvals.audit.record import Action, event, record
from approvals.models import Attempt, Callback, Heartbeat, User
from approvals.states import AttemptResult, CallbackStatus

# The job in approvals/jobs.py, by name: rooms do not know who calls them.
DELIVER = "approvals.deliver_callback"
# Longer than an engine call can take (connect and read timeouts together), so that a lease only
# runs out on a process that died or hangs.
LEASE = dt.timedelta(seconds=45)


def add(callback: Callback) -> None:
    """Owe the engine an answer; the delivery worker hears of it when the transaction commits."""
    callback.save(force_insert=True)
    nudge(callback.pk)


def nudge(callback_id: UUID) -> None:
    """Wake a worker after the commit; the sweep sends what nobody was told of."""
    wake.after_commit(DELIVER, str(callback_id))


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to try once: the callback as taken, with its task, and the fencing number."""

    callback: Callback
    fence: int


# One statement, committed by itself.
_TAKE = """
    WITH taken AS (
        UPDATE approvals_callback SET status = 'sending', fence = fence + 1,
               due_at = statement_timestamp() + make_interval(secs => %(lease)s)
        WHERE id = (SELECT id FROM approvals_callback
                    WHERE id = %(id)s AND status = 'due' AND due_at <= statement_timestamp()
                    FOR UPDATE SKIP LOCKED)
        RETURNING id, fence
    )
    INSERT INTO approvals_attempt (callback_id, number, result, code, detail)
    SELECT id, fence, 'started', '', '' FROM taken RETURNING number
"""


def take(callback_id: UUID) -> Lease | None:
    """Take one due callback and write the attempt, committed before the engine is called.

    None if it is not due, is held by another worker, or is settled.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"id": callback_id, "lease": LEASE.total_seconds()})
        taken = cursor.fetchone()
    if taken is None:
        _give_up_dead_lease(callback_id)
        return None
    return Lease(callback=_with_step(Callback.objects).get(pk=callback_id), fence=taken[0])


def unconfirmed(callback_id: UUID) -> Callback | None:
    """The callback with what a look-up needs; None if it is not unconfirmed (any more)."""
    found = _with_step(Callback.objects)
    return found.filter(pk=callback_id, status=CallbackStatus.UNCONFIRMED).first()


def _with_step(callbacks: Manager[Callback] | QuerySet[Callback]) -> QuerySet[Callback]:
    """With the task's token and connection, and without what is large."""
    return callbacks.select_related("task__connection").defer(
        "task__payload", "task__summary", "task__search", "task__links"
    )


@transaction.atomic
def _give_up_dead_lease(callback_id: UUID) -> None:
    """The holder died or hangs between the attempt and its result: did the engine hear it?"""
    callback = (
        Callback.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("task")
        .filter(pk=callback_id, status=CallbackStatus.SENDING, due_at__lte=Now())
        .first()
    )
    if callback is None:
        return
    died = "The process that sent it died before the answer came."
    Attempt.objects.filter(callback=callback, number=callback.fence, finished_at=None).update(
        result=AttemptResult.UNKNOWN, detail=died, finished_at=Now()
    )
    Callback.objects.filter(pk=callback.pk).update(
        status=CallbackStatus.UNCONFIRMED, due_at=Now(), last_error=died
    )
    _tell(callback, CallbackStatus.UNCONFIRMED, detail=died)


def finish(
    lease: Lease,
    status: CallbackStatus,
    *,
    result: AttemptResult,
    code: str = "",
    detail: str = "",
    retry_in: float = 0.0,
) -> bool:
    """Write how the attempt ended. False, and the callback untouched, if the lease was lost."""
    with transaction.atomic():
        Attempt.objects.filter(callback=lease.callback, number=lease.fence).update(
            result=result, code=code[:100], detail=detail[:500], finished_at=Now()
        )
        changes: dict[str, Any] = {
            "status": status,
            "last_error": detail[:500],
            "due_at": Now() + dt.timedelta(seconds=retry_in),
        }
        if status == CallbackStatus.DELIVERED:
            changes["delivered_at"] = Now()
        else:
            changes["failures"] = F("failures") + 1
        # The fence: whoever lost the lease meanwhile changes nothing.
        held = Callback.objects.filter(
            pk=lease.callback.pk, status=CallbackStatus.SENDING, fence=lease.fence
        ).update(**changes)
        if held:
            _tell(lease.callback, status, code=code, detail=detail, attempt=lease.fence)
    return bool(held)


def settle_unconfirmed(
    callback: Callback, status: CallbackStatus, detail: str, retry_in: float = 0.0
) -> bool:
    """Write what `reconcile` found out about a lost answer. False if somebody was first."""
    with transaction.atomic():
        changes: dict[str, Any] = {
            "status": status,
            "last_error": detail[:500],
            "due_at": Now() + dt.timedelta(seconds=retry_in),
        }
        if status == CallbackStatus.DELIVERED:
            changes["delivered_at"] = Now()
        held = Callback.objects.filter(
            pk=callback.pk, status=CallbackStatus.UNCONFIRMED, fence=callback.fence
        ).update(**changes)
        if held:
            _tell(callback, status, detail=detail, reconciled=True)
    return bool(held)


def due(*statuses: CallbackStatus, limit: int = 200) -> list[UUID]:
    """Callbacks in `statuses` whose time has come, the oldest first."""
    return list(
        Callback.objects.filter(status__in=statuses, due_at__lte=Now())
        .order_by("due_at")
        .values_list("pk", flat=True)[:limit]
    )


@transaction.atomic
def replay(callback_id: UUID, *, actor: User) -> bool:
    """An operator sends a dead or unconfirmed callback once more; False if it is neither any more.

    The same answer for the same token: the engine takes it at most once, so this is always safe.
    """
    callback = (
        Callback.objects.select_for_update(of=("self",))
        .select_related("task")
        .filter(pk=callback_id, status__in=[CallbackStatus.DEAD, CallbackStatus.UNCONFIRMED])
        .first()
    )
    if callback is None:
        return False
    Callback.objects.filter(pk=callback_id).update(
        status=CallbackStatus.DUE, failures=0, due_at=Now(), set_aside_at=None
    )
    record(event(Action.REPLAYED, task=callback.task, actor=actor, was=callback.status))
    nudge(callback_id)
    return True


@transaction.atomic
def set_aside(callback_id: UUID, *, reason: str, actor: User) -> bool:
    """An operator has looked and nothing is left to do: out of the list of what is stuck, on the
    record. Its state stays what it is. False if it is not stuck (any more)."""
    callback = (
        Callback.objects.select_for_update(of=("self",))
        .select_related("task")
        .filter(
            pk=callback_id,
            status__in=[CallbackStatus.DEAD, CallbackStatus.UNCONFIRMED],
            set_aside_at=None,
        )
        .first()
    )
    if callback is None:
        return False
    Callback.objects.filter(pk=callback_id).update(set_aside_at=Now())
    record(event(Action.SET_ASIDE, task=callback.task, actor=actor, reason=reason))
    return True


_ACTIONS = {
    CallbackStatus.DELIVERED: Action.DELIVERED,
    CallbackStatus.UNCONFIRMED: Action.UNCONFIRMED,
    CallbackStatus.DEAD: Action.DEAD,
}


def _tell(callback: Callback, status: CallbackStatus, **data: Any) -> None:
    """Put a change that people care about on the record; tries that will be repeated are not."""
    if status in _ACTIONS:
        record(event(_ACTIONS[status], task=callback.task, **data))
    if status in (CallbackStatus.DELIVERED, CallbackStatus.DEAD):
        Heartbeat.objects.filter(task_id=callback.task_id).delete()
