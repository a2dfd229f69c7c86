"""CALLBACK OUT, one attempt: take the lease, call the engine once, write how it ended.

No transaction is open during the call. Wherever the process dies, the attempt row says that it was
tried, and the lease that runs out hands the callback to `reconcile`.
"""

from uuid import UUID

import structlog

from approvals.callbacks import outbox
from approvals.callbacks.backoff import pause
from approvals.engines.registry import engine_for
from approvals.errors import CallbackRefused, EngineUnavailable, OutcomeUnknown, TaskGone
from approvals.models import Callback
from approvals.states import AttemptResult, CallbackStatus

log = structlog.get_logger(__name__)

# The engine answers, but somebody has to mend a key or a permission before it takes the call.
OPERATOR_FIRST = ("Kms", "AccessDenied", "ExpiredToken", "UnrecognizedClient", "NoCredentials")


def deliver(callback_id: UUID) -> CallbackStatus | None:
    """Try one callback once; the status it has now, or None if it was not ours to send."""
    lease = outbox.take(callback_id)
    if lease is None:
        return None
    callback = lease.callback
    try:
        _call(callback)
    except EngineUnavailable as error:
        status, result = CallbackStatus.DUE, AttemptResult.UNAVAILABLE
        problem = error
    except OutcomeUnknown as error:
        status, result = CallbackStatus.UNCONFIRMED, AttemptResult.UNKNOWN
        problem = error
    except TaskGone as error:
        # After an attempt whose answer was lost, "gone" may mean that our own call won.
        lost = callback.attempts.filter(result=AttemptResult.UNKNOWN).exists()
        status = CallbackStatus.UNCONFIRMED if lost else CallbackStatus.DEAD
        result, problem = AttemptResult.GONE, error
    except CallbackRefused as error:
        status, result = CallbackStatus.DEAD, AttemptResult.REFUSED
        problem = error
    else:
        outbox.finish(lease, CallbackStatus.DELIVERED, result=AttemptResult.DELIVERED)
        log.info("callback delivered", task=str(callback.task_id), attempt=lease.fence)
        return CallbackStatus.DELIVERED

    slow = problem.code.startswith(OPERATOR_FIRST)
    outbox.finish(
        lease,
        status,
        result=result,
        code=problem.code,
        detail=str(problem),
        retry_in=pause(callback.failures + 1, slow=slow) if status == CallbackStatus.DUE else 0.0,
    )
    log.warning(
        "callback not delivered",
        task=str(callback.task_id),
        attempt=lease.fence,
        now=status,
        code=problem.code,
        error=str(problem),
    )
    return status


def _call(callback: Callback) -> None:
    engine = engine_for(callback.task.connection.config)
    if callback.kind == Callback.Kind.SUCCESS:
        engine.succeed(callback.task.token, callback.output)
    else:
        engine.fail(callback.task.token, callback.error, callback.cause)
