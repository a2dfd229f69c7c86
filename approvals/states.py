"""The words for where things stand, and every transition that is allowed.

Imports nothing of ours. The database enforces the same table (`pgtrigger.FSM` on the models) and
`manage.py state_diagram` draws it for the documentation.
"""

from django.db import models


class TaskStatus(models.TextChoices):
    """Where an approval task stands. Only `decisions/` changes it."""

    PENDING = "pending", "Pending"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    SUCCEEDED = "succeeded", "Succeeded"  # an outside job
    FAILED = "failed", "Failed"  # an outside job
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"
    SUPERSEDED = "superseded", "Superseded"


class CallbackStatus(models.TextChoices):
    """Where the answer to the engine stands. Only `callbacks/` changes it."""

    DUE = "due", "Due"
    SENDING = "sending", "Sending"
    DELIVERED = "delivered", "Delivered"
    UNCONFIRMED = "unconfirmed", "Unconfirmed"
    DEAD = "dead", "Dead"


class Verdict(models.TextChoices):
    """What one reviewer said."""

    APPROVE = "approve", "Approve"
    REJECT = "reject", "Reject"


class AttemptResult(models.TextChoices):
    """How one try at one callback ended. `STARTED` that stays is a process that died mid-call."""

    STARTED = "started", "Started"
    DELIVERED = "delivered", "Delivered"
    UNAVAILABLE = "unavailable", "Engine unavailable"
    UNKNOWN = "unknown", "Answer lost"
    GONE = "gone", "Token no longer valid"
    REFUSED = "refused", "Refused"


# from -> {to: what brings it about}
TASK_TRANSITIONS: dict[TaskStatus, dict[TaskStatus, str]] = {
    TaskStatus.PENDING: {
        TaskStatus.APPROVED: "the quorum approved",
        TaskStatus.REJECTED: "a reviewer rejected",
        TaskStatus.SUCCEEDED: "the outside job succeeded",
        TaskStatus.FAILED: "the outside job failed",
        TaskStatus.EXPIRED: "time ran out, in the engine or at the gate",
        TaskStatus.CANCELLED: "the workflow ended or an operator withdrew it",
        TaskStatus.SUPERSEDED: "a newer token took its place",
    },
}

CALLBACK_TRANSITIONS: dict[CallbackStatus, dict[CallbackStatus, str]] = {
    CallbackStatus.DUE: {
        CallbackStatus.SENDING: "a worker took the lease",
    },
    CallbackStatus.SENDING: {
        CallbackStatus.DELIVERED: "the engine accepted",
        CallbackStatus.DUE: "the engine was unavailable",
        CallbackStatus.UNCONFIRMED: "the answer was lost, or the sender died",
        CallbackStatus.DEAD: "the engine refused for good",
    },
    CallbackStatus.UNCONFIRMED: {
        CallbackStatus.DELIVERED: "the execution's history shows our decision",
        CallbackStatus.DUE: "the engine still waits, or an operator sends it again",
        CallbackStatus.DEAD: "the execution ended otherwise",
    },
    CallbackStatus.DEAD: {
        CallbackStatus.DUE: "an operator replayed it",
    },
}
