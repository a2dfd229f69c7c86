"""DECISION, the last step of each: a task gets its outcome, and its engine is owed the answer."""

from collections.abc import Iterable
from typing import Any

from django.db.models.functions import Now

from approvals.audit.record import Action, event
from approvals.callbacks import outbox
from approvals.models import ApprovalTask, AuditEvent, Callback, Gate, Heartbeat
from approvals.people.quorum import tally
from approvals.states import TaskStatus

# What people say of an outside job, which nobody approves.
_OF_A_JOB = {TaskStatus.APPROVED: TaskStatus.SUCCEEDED, TaskStatus.REJECTED: TaskStatus.FAILED}


def outcome_of(gate: Gate, verdicts: Iterable[str]) -> TaskStatus:
    """What the verdicts so far make of a task at `gate`: its outcome, or `PENDING`."""
    outcome = tally(verdicts, gate.quorum)
    return _OF_A_JOB.get(outcome, outcome) if gate.kind == Gate.Kind.JOB else outcome


def settle(task: ApprovalTask, outcome: TaskStatus, callback: Callback, **data: Any) -> AuditEvent:
    """Change the state of a locked task and put `callback` into the outbox.

    The caller saves `status` and `settled_at`, and records the event that comes back, all in its
    one transaction.
    """
    task.status = outcome
    task.settled_at = Now()
    outbox.add(callback)
    if task.gate.kind == Gate.Kind.JOB:
        # The job has said all; until the engine has the answer, the step is ours to keep alive.
        Heartbeat.objects.filter(task=task).update(until=None)
    return event(Action.SETTLED, task=task, outcome=outcome, gate=task.gate.slug, **data)
