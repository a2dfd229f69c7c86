"""DECISION, the last steps of each: a stage is tallied, the next one begins, or a task gets its
outcome and its engine is owed the answer."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from approvals.audit.record import Action, event
from approvals.callbacks import outbox
from approvals.models import (
    ApprovalTask,
    AuditEvent,
    Callback,
    Decision,
    Gate,
    Heartbeat,
    Place,
    Stage,
)
from approvals.notices.occasions import Kind, happened
from approvals.people.quorum import Tally, required_of, tally
from approvals.people.roster import (
    next_stage,
    review_rule,
    roster,
    rule_of,
    seats_at,
    seats_of,
    voices_of,
)
from approvals.states import TaskStatus
from approvals.timers.plan import plan_stage

# What people say of an outside job, which nobody approves.
_OF_A_JOB = {TaskStatus.APPROVED: TaskStatus.SUCCEEDED, TaskStatus.REJECTED: TaskStatus.FAILED}

# What the steps below change of a task; their callers save it.
MOVED_FIELDS = (
    *("status", "stage", "approvals", "required", "settled_at", "settled_choice", "settles_at"),
    *("claimed_by", "claimed_at", "is_narrowed", "has_places", "escalated_at", "edited_payload"),
)


def tally_stage(task: ApprovalTask, decisions: Sequence[Decision]) -> Tally:
    """What the standing `decisions` make of the stage at which `task` is; says so on the task."""
    voices = voices_of(decisions, task.stage)
    rule = rule_of(review_rule(task.gate, task.stage))
    found = tally(rule, voices, lambda: seats_at(task, decisions))
    task.approvals, task.required = found.got, found.required
    if found.required > 1:  # by now: nobody is on it alone
        task.claimed_by = task.claimed_at = None
    return found


def outcome_of(gate: Gate, found: Tally) -> TaskStatus:
    """The outcome of the last stage, as it is called of a task at `gate`."""
    return (
        _OF_A_JOB.get(found.outcome, found.outcome)
        if gate.kind == Gate.Kind.JOB
        else (found.outcome)
    )


def following(task: ApprovalTask, found: Tally) -> Stage | None:
    """The stage to which an approval of this one leads; None if that settles the task."""
    if found.outcome != TaskStatus.APPROVED or task.gate.kind == Gate.Kind.JOB:
        return None
    return next_stage(task.gate, task.stage)


def advance(task: ApprovalTask, stage: Stage) -> AuditEvent:
    """Let a locked task go on to `stage`. The caller saves `MOVED_FIELDS` and records the event."""
    passed = str(review_rule(task.gate, task.stage)) if task.stage else task.gate.name
    close_places([task])
    task.stage, task.approvals, task.is_narrowed = stage.position, 0, False
    task.required = required_of(rule_of(stage), lambda: seats_of(roster(task)))
    task.claimed_by = task.claimed_at = task.escalated_at = None
    task.settles_at, task.settled_choice = None, ""
    plan_stage(task)
    happened(Kind.ARRIVED, [task])
    return event(Action.STAGE_PASSED, task=task, stage=passed, next=stage.name)


def settle(task: ApprovalTask, outcome: TaskStatus, callback: Callback, **data: Any) -> AuditEvent:
    """Change the state of a locked task and put `callback` into the outbox.

    The caller saves `MOVED_FIELDS`, and records the event that comes back, all in its one
    transaction.
    """
    task.status = outcome
    task.settled_at = Now()
    task.settles_at = None
    outbox.add(callback)
    if task.has_places:
        close_places([task])
    happened(Kind.SETTLED, [task])
    if task.gate.kind == Gate.Kind.JOB:
        # The job has said all; until the engine has the answer, the step is ours to keep alive.
        Heartbeat.objects.filter(task=task).update(until=None)
    return event(Action.SETTLED, task=task, outcome=outcome, gate=task.gate.slug, **data)


def close_places(tasks: Iterable[ApprovalTask]) -> None:
    """Nobody decides from them any more."""
    Place.objects.filter(task__in=tasks, is_open=True).update(is_open=False)


def hold(task: ApprovalTask) -> dt.timedelta | None:
    """For how long a decision on `task` can be undone before its outcome becomes final: what the
    gate says, and never more than a quarter of the time that is left."""
    seconds = float(task.gate.undo_seconds)
    if task.deadline:
        left = (task.deadline - timezone.now()).total_seconds()
        seconds = min(seconds, left / 4)
    return dt.timedelta(seconds=seconds) if seconds >= 1 else None
