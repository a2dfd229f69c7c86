"""The door, a task's times at its gate: by when, what then, escalated or not. Reads only."""

import datetime as dt

from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.inbox import times
from approvals.models import ApprovalTask, Gate
from approvals.models.gate import SILENCE_APPROVES
from approvals.timers.business import amount
from approvals.timers.plan import is_clipped

AtDeadline = Gate.AtDeadline


def facts_of(task: ApprovalTask, now: dt.datetime) -> list[tuple[str, SafeString]]:
    """(name, what to show) pairs; empty where the gate has no times."""
    found = []
    if task.is_pending and task.decide_by and not task.settles_at:
        by = times.left_tag(task.decide_by, now)
        note = " ".join(filter(None, [_then(task.gate), _clipped(task)]))
        found.append(("To be decided", format_html('{} <span class="quiet">{}</span>', by, note)))
    if task.escalated_at:
        found.append(("Escalated", times.age_tag(task.escalated_at, now)))
    return found


def _then(gate: Gate) -> str:
    match gate.at_deadline:
        case AtDeadline.REJECT:
            return "Then the gate rejects it."
        case AtDeadline.FAIL:
            return "Then the gate fails the step."
        case AtDeadline.APPROVE if gate.silence == SILENCE_APPROVES:
            return "Then the gate approves it, although nobody has looked."
    return "After that it goes on waiting."


def _clipped(task: ApprovalTask) -> str:
    if not is_clipped(task):
        return ""
    within = amount(task.gate.decide_within_minutes or 0)
    return f"Sooner than the gate's {within}, as the workflow waits no longer."
