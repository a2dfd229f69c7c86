"""WHAT IS ASKED, the ways to decide: approve and reject, or what the gate or message names."""

from dataclasses import dataclass
from typing import Any

from approvals.models import ApprovalTask, Gate
from approvals.states import Verdict

Reason = Gate.Reason


@dataclass(frozen=True, slots=True)
class Choice:
    """One button. `key` is blank for plain approving and rejecting; `output` goes back as it is."""

    verdict: Verdict
    label: str
    key: str = ""
    output: Any = None
    needs_reason: bool = False


def choices_of(task: ApprovalTask) -> list[Choice]:
    """The ways to decide `task`, in the order in which they are offered; at least one of each
    verdict. A gate's own choices win over a message's."""
    gate = task.gate
    named = [_choice(gate, one) for one in gate.choices or task.choices]
    plain = [
        Choice(Verdict.APPROVE, gate.approve_label, needs_reason=_needs(gate, Verdict.APPROVE)),
        Choice(Verdict.REJECT, gate.reject_label, needs_reason=_needs(gate, Verdict.REJECT)),
    ]
    there = {choice.verdict for choice in named}
    return [*named, *(choice for choice in plain if choice.verdict not in there)]


def choice_of(task: ApprovalTask, verdict: str, key: str = "") -> Choice | None:
    """What was chosen; None if the task does not offer it."""
    return next((one for one in choices_of(task) if (one.verdict, one.key) == (verdict, key)), None)


def _choice(gate: Gate, said: dict[str, Any]) -> Choice:
    verdict = Verdict(said.get("verdict", Verdict.APPROVE))
    return Choice(
        verdict=verdict,
        label=said["label"],
        key=said["key"],
        output=said.get("output"),
        needs_reason=said.get("reason", _needs(gate, verdict)),
    )


def _needs(gate: Gate, verdict: Verdict) -> bool:
    return gate.reason in (Reason.ALWAYS, Reason(verdict.value))
