"""CALLBACK OUT: answers that were lost are looked up, never guessed."""

import datetime as dt
from uuid import UUID

import structlog
from django.db.models.functions import Now

from approvals.callbacks import outbox
from approvals.callbacks.backoff import pause
from approvals.callbacks.pace import LOOK_UP_CALLS, pace_of, try_take
from approvals.engines.base import Fate
from approvals.engines.registry import engine_for
from approvals.errors import EngineError, SecretUnreadable
from approvals.models import Callback
from approvals.states import AttemptResult, CallbackStatus

log = structlog.get_logger(__name__)


def reconcile(callback_id: UUID) -> CallbackStatus | None:
    """Find out what became of an unconfirmed callback; None if it is not unconfirmed (any more).

    - An attempt that lost its lease and was taken after all, or the execution's history, shows our
      decision: delivered.
    - The step still waits: due again.
    - The step ended otherwise: dead.
    - It can't be told: sent again, since the same answer for the same token is taken at most once:
      the first time at once, then after ever longer pauses, as an engine that is down loses every
      answer. If the engine then says that the token is gone, nobody can know which call closed it:
      it stays unconfirmed, in sight of the operators, and is looked up again from time to time.
    """
    callback = outbox.unconfirmed(callback_id)
    if callback is None:
        return None
    if wait := _seconds_to_wait(callback):
        Callback.objects.filter(pk=callback_id).update(due_at=Now() + dt.timedelta(seconds=wait))
        return CallbackStatus.UNCONFIRMED
    # Whoever looks this up at the same time finds the same; this only spaces out the look-ups.
    callback.failures += 1
    Callback.objects.filter(pk=callback_id).update(
        due_at=Now() + dt.timedelta(seconds=pause(callback.failures)), failures=callback.failures
    )
    results = list(callback.attempts.values_list("result", flat=True))
    if AttemptResult.DELIVERED in results:
        return _settle(callback, CallbackStatus.DELIVERED, "The engine took it.")
    match _fate(callback):
        case Fate.OURS:
            return _settle(callback, CallbackStatus.DELIVERED, "Its history shows our decision.")
        case Fate.WAITING:
            return _settle(callback, CallbackStatus.DUE, "The step still waits.")
        case Fate.OTHERWISE:
            return _settle(
                callback, CallbackStatus.DEAD, "The step had ended before our answer arrived."
            )
    if results and results[-1] == AttemptResult.GONE:
        return CallbackStatus.UNCONFIRMED
    again = results.count(AttemptResult.UNKNOWN) > 1
    return _settle(
        callback,
        CallbackStatus.DUE,
        "It can't be looked up; sending it again.",
        retry_in=pause(callback.failures) if again else 0.0,
    )


def _seconds_to_wait(callback: Callback) -> float:
    """Until the engine's quota leaves room for a look-up; 0.0 where it does now."""
    to = callback.task.connection
    pace = pace_of(to.kind)
    return try_take(to.pk, pace, calls=LOOK_UP_CALLS) if pace else 0.0


def _fate(callback: Callback) -> Fate:
    task = callback.task
    try:
        return engine_for(task.connection.config).find_out(task.step, str(callback.decision_id))
    except (EngineError, SecretUnreadable) as error:
        log.warning("can't look up the execution", task=str(task.pk), error=str(error))
        return Fate.UNKNOWN


def _settle(
    callback: Callback, status: CallbackStatus, detail: str, retry_in: float = 0.0
) -> CallbackStatus | None:
    if not outbox.settle_unconfirmed(callback, status, detail, retry_in):
        return None
    if status == CallbackStatus.DUE and not retry_in:
        outbox.nudge(callback.pk)
    log.info("callback reconciled", task=str(callback.task_id), now=status)
    return status
