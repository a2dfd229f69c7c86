"""DECISION, what goes back: the callback that a settled task owes its engine, shaped by its gate.

Pure but for reading decisions: nothing here writes.
"""

import json
from collections.abc import Sequence
from typing import Any

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
    if outcome == TaskStatus.REJECTED and gate.on_reject == Gate.OnReject.FAILURE:
        callback.kind = Callback.Kind.FAILURE
        callback.error = gate.reject_error
        callback.cause = _cause(last, limits)
    else:
        callback.kind = Callback.Kind.SUCCESS
        callback.output = json.dumps(
            _output(task, outcome, decisions), ensure_ascii=False, separators=(",", ":")
        )
    if len(callback.output.encode()) > limits.output or len(callback.error.encode()) > limits.error:
        raise CannotDecide("The answer would be too long for the workflow. Shorten the comment.")
    return callback


def _output(
    task: ApprovalTask, outcome: TaskStatus, decisions: Sequence[Decision]
) -> dict[str, Any]:
    approved = outcome == TaskStatus.APPROVED
    output = {
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
    return {task.gate.output_key: output} if task.gate.output_key else output


def _cause(decision: Decision, limits: Limits) -> str:
    """The comment, and behind it who and which decision: how history tells that it was ours."""
    signature = f"(rejected by {decision.reviewer.username}, decision {decision.pk})"
    room = limits.cause - len(signature.encode()) - 1
    comment = decision.comment.encode()
    if len(comment) > room:
        comment = comment[: room - len(_CUT.encode())]
        return f"{comment.decode(errors='ignore')}{_CUT} {signature}"
    return f"{decision.comment} {signature}".strip()
