"""DECISION, the last step of each: a task gets its outcome, and its engine is owed the answer."""

from typing import Any

from django.db.models.functions import Now

from approvals.audit.record import Action, event
from approvals.callbacks import outbox
from approvals.models import ApprovalTask, AuditEvent, Callback
from approvals.states import TaskStatus


def settle(task: ApprovalTask, outcome: TaskStatus, callback: Callback, **data: Any) -> AuditEvent:
    """Change the state of a locked task and put `callback` into the outbox.

    The caller saves `status` and `settled_at`, and records the event that comes back, all in its
    one transaction.
    """
    task.status = outcome
    task.settled_at = Now()
    outbox.add(callback)
    return event(Action.SETTLED, task=task, outcome=outcome, gate=task.gate.slug, **data)
