"""CALLBACK OUT, one attempt: take the lease, call the engine once, write how it ended.

No transaction is open during the call. Wherever the process dies, the attempt row says that it was
tried, and the lease that runs out hands the callback to `reconcile`.
"""

from uuid import UUID

import structlog

from approvals.callbacks import outbox
from approvals.callbacks.backoff import pause
from approvals.callbacks.pace import must_wait
from approvals.engines.registry import engine_for
from approvals.errors import (
    CallbackRefused,
    CountersignError,
    EngineUnavailable,
    SecretUnreadable,
    TaskGone,
)
from approvals.models import Callback
from approvals.states import AttemptResult, CallbackStatus

log = structlog.get_logger(__name__)

# The engine answers, but somebody has to mend a key or a permission before it takes the call.
OPERATOR_FIRST = (
    "Kms",
    "AccessDenied",
    "ClockSkew",
    "ExpiredToken",
    "InvalidClientTokenId",
    "InvalidSignature",
    "Signature",
    "UnrecognizedClient",
    "NoCredentials",
    "InvalidAccessKeyI",
    "NoPermission",
    "Forbidden",
    "SecretUnreadable",
)


def deliver(callback_id: UUID) -> CallbackStatus | None:
    """Try one callback once; the status it has now, or None if it was not ours to send.

    Where the engine's quota is spent it is put off, with no attempt made.
    """
    if must_wait(callback_id):
        return CallbackStatus.DUE
    lease = outbox.take(callback_id)
    if lease is None:
        return None
    callback = lease.callback
    try:
        _call(callback)
    except Exception as error:
        return _failed(lease, error)
    outbox.finish(lease, CallbackStatus.DELIVERED, result=AttemptResult.DELIVERED)
    log.info("callback delivered", task=str(callback.task_id), attempt=lease.fence)
    return CallbackStatus.DELIVERED


def _failed(lease: outbox.Lease, error: Exception) -> CallbackStatus:
    callback, code = lease.callback, getattr(error, "code", type(error).__name__)
    status, result = _meaning(error, callback)
    retry_in = 0.0
    if status == CallbackStatus.DUE:
        retry_in = pause(callback.failures + 1, slow=code.startswith(OPERATOR_FIRST))
    outbox.finish(lease, status, result=result, code=code, detail=str(error), retry_in=retry_in)
    log.warning(
        "callback not delivered",
        task=str(callback.task_id),
        attempt=lease.fence,
        now=status,
        code=code,
        error=str(error),
        exc_info=error if not isinstance(error, CountersignError) else None,
    )
    return status


def _meaning(error: Exception, callback: Callback) -> tuple[CallbackStatus, AttemptResult]:
    match error:
        case EngineUnavailable() | SecretUnreadable():
            return CallbackStatus.DUE, AttemptResult.UNAVAILABLE
        case TaskGone():
            # After an attempt whose answer was lost, "gone" may mean that our own call won.
            lost = callback.attempts.filter(result=AttemptResult.UNKNOWN).exists()
            status = CallbackStatus.UNCONFIRMED if lost else CallbackStatus.DEAD
            return status, AttemptResult.GONE
        case CallbackRefused():
            return CallbackStatus.DEAD, AttemptResult.REFUSED
    # The answer was lost, or this is a bug of ours: either way nobody knows what the engine heard.
    return CallbackStatus.UNCONFIRMED, AttemptResult.UNKNOWN


def _call(callback: Callback) -> None:
    engine = engine_for(callback.task.connection.config)
    if callback.kind == Callback.Kind.SUCCESS:
        engine.succeed(callback.task.token, callback.output)
    else:
        engine.fail(callback.task.token, callback.error, callback.cause)
