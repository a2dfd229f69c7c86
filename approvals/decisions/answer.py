"""DECISION, what goes back: the callback that a settled task owes its engine, shaped by its gate.

Pure but for reading decisions: nothing here writes.
"""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from approvals.engines.base import Limits
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, Callback, Decision, Gate
from approvals.states import TaskStatus

_CUT = " …"


def answer(
    task: ApprovalTask, outcome: TaskStatus, decisions: Sequence[Decision], limits: Limits
) -> Callback:
    """The unsaved callback for `outcome`; raises `CannotDecide` where the engine would refuse it.

    `decisions` in the order in which they were taken; the last one settled the task.
    """
    gate, last = task.gate, decisions[-1]
    callback = Callback(task=task, decision_id=last.pk)
    fails = outcome == TaskStatus.FAILED or (
        outcome == TaskStatus.REJECTED and gate.on_reject == Gate.OnReject.FAILURE
    )
    if fails:
        callback.kind = Callback.Kind.FAILURE
        callback.error = gate.reject_error
        callback.cause = _cause(outcome, last, limits)
    else:
        callback.kind = Callback.Kind.SUCCESS
        callback.output = shaped(gate, _output(task, outcome, decisions))
    if len(callback.output.encode()) > limits.output or len(callback.error.encode()) > limits.error:
        raise CannotDecide("The answer would be too long for the workflow. Shorten the comment.")
    return callback


def _output(
    task: ApprovalTask, outcome: TaskStatus, decisions: Sequence[Decision]
) -> dict[str, Any]:
    if outcome == TaskStatus.SUCCEEDED:
        return _settled_by_hand(task, outcome, decisions[-1])
    approved = outcome == TaskStatus.APPROVED
    return {
        "decision": "approved" if approved else "rejected",
        "approved": approved,
        "comment": decisions[-1].comment,
        "decidedBy": [
            {
                "reviewer": decision.reviewer.username,
                "at": decision.decided_at.isoformat(),
                "via": decision.via,
            }
            for decision in decisions
        ],
        "taskId": str(task.pk),
        "decisionId": str(decisions[-1].pk),
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


def _cause(outcome: TaskStatus, decision: Decision, limits: Limits) -> str:
    signature = f"({outcome.value} by {decision.reviewer.username}, decision {decision.pk})"
    return signed(decision.comment, signature, limits)


def signed(text: str, signature: str, limits: Limits) -> str:
    """`text`, cut if need be, and behind it who answered: how history tells that it was ours."""
    room = limits.cause - len(signature.encode()) - 1
    raw = text.encode()
    if len(raw) > room:
        return f"{raw[: room - len(_CUT.encode())].decode(errors='ignore')}{_CUT} {signature}"
    return f"{text} {signature}".strip()
