"""WHAT IS ASKED, the ways to decide: approve and reject, or what the gate or message names."""

import json
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.text import slugify

from approvals.models import ApprovalTask, Gate
from approvals.states import Verdict

MAX_CHOICES = 6
MAX_LABEL, MAX_KEY = 60, 60
MAX_OUTPUT_LENGTH = 4_000  # characters of JSON

Reason = Gate.Reason


@dataclass(frozen=True, slots=True)
class Choice:
    """One button. `key` is blank for plain approving and rejecting; `output` goes back as it is."""

    verdict: Verdict
    label: str
    key: str = ""
    output: Any = None
    needs_reason: bool = False

    @property
    def is_rejecting(self) -> bool:
        return self.verdict == Verdict.REJECT


def choices_of(task: ApprovalTask) -> list[Choice]:
    """The ways to decide `task`, in the order in which they are offered; at least one of each
    verdict. A gate's own choices win over a message's."""
    gate = task.gate
    if gate.kind == Gate.Kind.JOB:
        return [
            Choice(Verdict.APPROVE, "Mark as succeeded", needs_reason=True),
            Choice(Verdict.REJECT, "Mark as failed", needs_reason=True),
        ]
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


def label_of_choice(task: ApprovalTask, key: str) -> str:
    """What the button of `key` says, or the key itself where the gate no longer has it."""
    return next((one.label for one in choices_of(task) if one.key == key), key)


def check_choices(choices: Any) -> None:
    """Raises `ValidationError` with the reason, in words, unless these are ways to decide."""
    if not isinstance(choices, list) or not all(isinstance(one, dict) for one in choices):
        raise ValidationError("The choices have to be a list of objects with “key” and “label”.")
    if len(choices) > MAX_CHOICES:
        raise ValidationError(f"These are more than {MAX_CHOICES} choices.")
    for one in choices:
        _check_choice(one)
    pairs = [(one.get("verdict", Verdict.APPROVE), one["key"]) for one in choices]
    if len({key for _, key in pairs}) != len(pairs):
        raise ValidationError("Two choices have the same key.")
    if len({one["label"] for one in choices}) != len(choices):
        raise ValidationError("Two choices have the same label.")


def written_out(choices: list[Any]) -> list[Any]:
    """A message's choices as a gate has them: texts become ways to approve, keys are made of
    labels."""
    said = [{"label": one} if isinstance(one, str) else one for one in choices]
    return [
        {"key": slugify(str(one.get("label")))[:MAX_KEY] or f"choice-{number}"} | one
        if isinstance(one, dict)
        else one
        for number, one in enumerate(said, 1)
    ]


def _check_choice(one: dict[str, Any]) -> None:
    if unknown := set(one) - {"key", "label", "verdict", "output", "reason"}:
        raise ValidationError(f"A choice has no “{sorted(unknown)[0][:60]}”.")
    for name, most in (("key", MAX_KEY), ("label", MAX_LABEL)):
        if not _is_line(one.get(name), most):
            raise ValidationError(f"Each choice needs a “{name}” of 1 to {most} characters.")
    if one.get("verdict", Verdict.APPROVE) not in Verdict.values:
        raise ValidationError("A choice's “verdict” is “approve” or “reject”.")
    if not isinstance(one.get("reason", False), bool):
        raise ValidationError("A choice's “reason” is true or false.")
    if len(json.dumps(one.get("output"), ensure_ascii=False)) > MAX_OUTPUT_LENGTH:
        raise ValidationError(f"A choice's “output” takes {MAX_OUTPUT_LENGTH:,} characters.")


def _is_line(text: Any, most: int) -> bool:
    """Printed as it is, without marks that turn the direction of writing."""
    return (
        isinstance(text, str)
        and 1 <= len(text) <= most
        and text.strip() == text
        and text.isprintable()
    )


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
