"""CALLBACK OUT: answers that were lost are looked up, never guessed."""

import datetime as dt
from uuid import UUID

import structlog
from django.db.models.functions import Now

from approvals.callbacks import outbox
from approvals.callbacks.backoff import pause
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
    - It can't be told: sent again, since the same answer for the same token is taken at most once.
      If the engine then says that the token is gone, nobody can know which call closed it: it
      stays unconfirmed, in sight of the operators, and is looked up again from time to time.
    """
    callback = outbox.unconfirmed(callback_id)
    if callback is None:
        return None
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
    return _settle(callback, CallbackStatus.DUE, "It can't be looked up; sending it again.")


def _fate(callback: Callback) -> Fate:
    task = callback.task
    try:
        return engine_for(task.connection.config).find_out(task.step, str(callback.decision_id))
    except (EngineError, SecretUnreadable) as error:
        log.warning("can't look up the execution", task=str(task.pk), error=str(error))
        return Fate.UNKNOWN


def _settle(callback: Callback, status: CallbackStatus, detail: str) -> CallbackStatus | None:
    if not outbox.settle_unconfirmed(callback, status, detail):
        return None
    if status == CallbackStatus.DUE:
        outbox.nudge(callback.pk)
    log.info("callback reconciled", task=str(callback.task_id), now=status)
    return status
