"""DECISION, what goes back: the callback that a settled task owes its engine, shaped by its gate.

Pure but for reading decisions: nothing here writes.
"""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from approvals.asked.choices import choice_of
from approvals.asked.edits import may_change, payload_of
from approvals.engines.base import Limits
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, Callback, Decision, Gate
from approvals.states import TaskStatus, Verdict

_CUT = " …"
# What a Catch names where a gate fails the step since nobody decided.
NOBODY_DECIDED = "NobodyDecided"


def answer(
    task: ApprovalTask,
    outcome: TaskStatus,
    decisions: Sequence[Decision],
    limits: Limits,
    words: str = "",
) -> Callback:
    """The unsaved callback for `outcome`; raises `CannotDecide` where the engine would refuse it.

    `decisions`: the standing ones, in the order in which they were taken. Where the gate itself
    settled the task, `words` say why.
    """
    gate, last = task.gate, None if words else settling(outcome, decisions)
    decision_id = last.pk if last else uuid7()
    callback = Callback(task=task, decision_id=decision_id)
    fails = outcome in (TaskStatus.FAILED, TaskStatus.EXPIRED) or (
        outcome == TaskStatus.REJECTED and gate.on_reject == Gate.OnReject.FAILURE
    )
    if fails:
        callback.kind = Callback.Kind.FAILURE
        callback.error = NOBODY_DECIDED if outcome == TaskStatus.EXPIRED else gate.reject_error
        who = f" by {last.reviewer.username}" if last else ""
        chosen = f", choice {json.dumps(last.choice)}" if last and last.choice else ""
        callback.cause = signed(
            last.comment if last else words,
            f"({outcome.value}{who}{chosen}, decision {decision_id})",
            limits,
        )
    else:
        callback.kind = Callback.Kind.SUCCESS
        callback.output = shaped(gate, _output(task, outcome, decisions, decision_id, words))
    if len(callback.output.encode()) > limits.output or len(callback.error.encode()) > limits.error:
        what = "what you fill in" if last and last.form is not None else "the comment"
        raise CannotDecide(f"The answer would be too long for the workflow. Shorten {what}.")
    return callback


def settling(outcome: TaskStatus, decisions: Sequence[Decision]) -> Decision | None:
    """The one that made `outcome`: the last of its kind, since a rejection may have come after the
    approvals that suffice by now."""
    approves = outcome in (TaskStatus.APPROVED, TaskStatus.SUCCEEDED)
    verdict = Verdict.APPROVE if approves else Verdict.REJECT
    alike = [one for one in decisions if one.verdict == verdict]
    return next(reversed(alike or decisions), None)


def _output(
    task: ApprovalTask,
    outcome: TaskStatus,
    decisions: Sequence[Decision],
    decision_id: UUID,
    words: str,
) -> dict[str, Any]:
    last = None if words else settling(outcome, decisions)
    if outcome == TaskStatus.SUCCEEDED and last:
        return _settled_by_hand(task, outcome, last)
    approved = outcome == TaskStatus.APPROVED
    verdict = Verdict.APPROVE if approved else Verdict.REJECT
    choice = choice_of(task, verdict, task.settled_choice)
    return {
        "decision": "approved" if approved else "rejected",
        "approved": approved,
        "comment": last.comment if last else words,
        **({"choice": choice.key, "output": choice.output} if choice and choice.key else {}),
        **({"form": last.form} if last and last.form is not None else {}),
        **({"input": payload_of(task)} if approved and may_change(task) else {}),
        "decidedBy": [_who(decision) for decision in decisions],
        "taskId": str(task.pk),
        "decisionId": str(decision_id),
    }


def _who(decision: Decision) -> dict[str, Any]:
    return {
        "reviewer": decision.reviewer.username,
        "verdict": decision.verdict,
        **({"onBehalfOf": decision.on_behalf_of.username} if decision.on_behalf_of else {}),
        "at": decision.decided_at.isoformat(),
        "via": decision.via,
    }


def job_output(
    task: ApprovalTask, outcome: TaskStatus, output: Any, decision_id: UUID
) -> dict[str, Any]:
    """What goes back for an outside job; `output` is the job's own, any JSON value."""
    return {
        "status": outcome.value,
        "output": output,
        "taskId": str(task.pk),
        "decisionId": str(decision_id),
    }


def _settled_by_hand(task: ApprovalTask, outcome: TaskStatus, last: Decision) -> dict[str, Any]:
    said = {"settledBy": last.reviewer.username, "comment": last.comment}
    return job_output(task, outcome, None, last.pk) | said


def shaped(gate: Gate, output: dict[str, Any]) -> str:
    """JSON text as the gate's definition wants to read it."""
    wrapped = {gate.output_key: output} if gate.output_key else output
    return json.dumps(wrapped, ensure_ascii=False, separators=(",", ":"))


def signed(text: str, signature: str, limits: Limits) -> str:
    """`text`, cut if need be, and behind it who answered: how history tells that it was ours."""
    room = limits.cause - len(signature.encode()) - 1
    raw = text.encode()
    if len(raw) > room:
        return f"{raw[: room - len(_CUT.encode())].decode(errors='ignore')}{_CUT} {signature}"
    return f"{text} {signature}".strip()
