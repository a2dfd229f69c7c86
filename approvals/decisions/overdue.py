"""DECISION, taken by nobody: what a gate does about a task that is still open at its deadline."""

from uuid import UUID

import structlog
from django.db import transaction

from approvals.audit.record import Action, event, record
from approvals.decisions.answer import answer
from approvals.decisions.decide import lock
from approvals.decisions.rules import standing_of
from approvals.decisions.settle import MOVED_FIELDS, settle
from approvals.engines.registry import kind_of
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, Decision, Gate
from approvals.models.gate import SILENCE_APPROVES
from approvals.states import TaskStatus
from approvals.timers.business import amount
from approvals.timers.plan import is_clipped

log = structlog.get_logger(__name__)

AtDeadline = Gate.AtDeadline

_OUTCOMES = {
    AtDeadline.REJECT: TaskStatus.REJECTED,
    AtDeadline.FAIL: TaskStatus.EXPIRED,
    AtDeadline.APPROVE: TaskStatus.APPROVED,
}
_DOES = {
    AtDeadline.REJECT: "so the gate rejected it",
    AtDeadline.FAIL: "so the gate failed the step",
    AtDeadline.APPROVE: "so the gate approved it",
}


@transaction.atomic
def act(task_id: UUID) -> bool:
    """Do what the gate does when nobody has decided in time; False if that is not the case.

    Somebody who decides at the same moment is before or behind: the row is locked by one.
    """
    task = lock(task_id)
    if not task.is_pending or task.settles_at or task.gate.kind != Gate.Kind.PEOPLE:
        return False
    outcome = _outcome(task.gate)
    decisions = standing_of(task)
    if outcome is None or not _settle(task, outcome, decisions):
        record(event(Action.OVERDUE, task=task, reason=f"{_since(task)}. It goes on waiting."))
    return True


def _outcome(gate: Gate) -> TaskStatus | None:
    if gate.at_deadline == AtDeadline.APPROVE and gate.silence != SILENCE_APPROVES:
        log.error("silence does not approve here: the gate does not say so", gate=gate.slug)
        return None
    return _OUTCOMES.get(AtDeadline(gate.at_deadline))


def _settle(task: ApprovalTask, outcome: TaskStatus, decisions: list[Decision]) -> bool:
    task.settled_reason = f"{_since(task)}, {_DOES[AtDeadline(task.gate.at_deadline)]}."
    limits = kind_of(task.connection.kind).limits
    try:
        callback = answer(task, outcome, decisions, limits, words=_words(task, outcome, decisions))
    except CannotDecide as error:  # an error name that this engine does not take
        log.error("the gate can't answer", task=str(task.pk), error=str(error))
        return False
    settled = settle(task, outcome, callback, reason=task.settled_reason)
    task.save(update_fields=[*MOVED_FIELDS, "settled_reason"])
    record(event(Action.OVERDUE, task=task, reason=f"{_since(task)}."), settled)
    return True


def _words(task: ApprovalTask, outcome: TaskStatus, decisions: list[Decision]) -> str:
    """What the workflow is told in place of a comment."""
    if outcome != TaskStatus.APPROVED:
        return "Nobody decided in time."
    if decisions:
        got = f"{task.approvals} of {task.required} approvals"
        return f"Only {got} came in time; approved by silence, as the gate says."
    return "Nobody looked at this in time; approved by silence, as the gate says."


def _since(task: ApprovalTask) -> str:
    """“Nobody decided within 2 h”: too few have, where somebody did."""
    who = "Too few decided" if task.approvals else "Nobody decided"
    within = task.gate.decide_within_minutes
    if not within or is_clipped(task):
        return f"{who} before the workflow's own deadline"
    working = "working " if task.gate.calendar_id else ""
    return f"{who} within {amount(within, working)}"
