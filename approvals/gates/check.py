"""POLICY, the rules for gates themselves: asked by the admin's form and by `gates apply` alike.

Each raises `ValidationError` with a dict by field. Reads only whether tasks wait at a stage.
"""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.template.defaultfilters import pluralize

from approvals.asked.choices import check_choices
from approvals.asked.edits import check_pointers
from approvals.asked.form import check_schema
from approvals.models import ApprovalTask, Gate, ReviewRule, Stage
from approvals.models.gate import SILENCE_APPROVES

Problems = dict[str, str]

_ASKED: dict[str, Callable[[Any], object]] = {
    "form": check_schema,
    "choices": check_choices,
    "editable": check_pointers,
}


def check_gate(gate: Gate, groups: Collection[Any], escalate_to: Collection[Any]) -> None:
    """`groups`, `escalate_to`: the teams, which are stored after the gate itself."""
    problems = _rule_problems(gate, groups) | _asked_problems(gate)
    problems |= _mail_problems(gate) | _time_problems(gate, escalate_to)
    if problems:
        raise ValidationError(problems)


def check_stage(gate: Gate, stage: Stage, groups: Collection[Any]) -> None:
    problems = _rule_problems(stage, groups)
    if stage.position < 1:
        problems["position"] = "The gate's own reviewers come first: begin with 1."
    if gate.kind == Gate.Kind.JOB:
        problems["name"] = "An outside job has no stages: whoever may settles it by hand."
    if problems:
        raise ValidationError(problems)


def check_stages(stages: Collection[Stage]) -> None:
    """The stages of a gate stand in one order, and are told apart by their names."""
    names = Counter(stage.name.casefold() for stage in stages)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ValidationError(f"Two stages are called “{twice[0]}”. Give each its own name.")
    positions = Counter(stage.position for stage in stages)
    if both := [position for position, count in positions.items() if count > 1]:
        raise ValidationError(f"Two stages have the position {both[0]}. Give each its own.")


def check_unused(stage: Stage) -> None:
    """A stage stays where it is while tasks wait at it."""
    waiting = ApprovalTask.objects.pending().filter(gate=stage.gate_id, stage=stage.position)
    if count := waiting.count():
        verb = "waits" if count == 1 else "wait"
        raise ValidationError(
            f"{count} task{pluralize(count)} {verb} at stage “{stage}”, so it can't be removed or "
            "moved yet. Have it decided first."
        )


def _rule_problems(rule: ReviewRule, groups: Collection[Any]) -> Problems:
    if rule.needs == ReviewRule.Needs.EACH_GROUP and not groups:
        return {"needs": "Name the teams of which each has to approve."}
    return {}


def _asked_problems(gate: Gate) -> Problems:
    problems = {}
    for field, check in _ASKED.items():
        try:
            if value := getattr(gate, field):
                check(value)
        except ValidationError as error:
            problems[field] = " ".join(error.messages)
    return problems


def _mail_problems(gate: Gate) -> Problems:
    alone = gate.link_alone_minutes
    if alone and not gate.mails:
        return {"link_alone_minutes": "There are no links without mails: have reviewers mailed."}
    if alone and gate.link_hours and alone > gate.link_hours * 60:
        return {"link_alone_minutes": "This is longer than a link lives."}
    return {}


def _time_problems(gate: Gate, escalate_to: Collection[Any]) -> Problems:
    problems = {}
    if gate.remind_every_minutes and not gate.remind_after_minutes:
        problems["remind_every_minutes"] = "Say after how long the first reminder comes."
    if gate.escalate_after_minutes and not escalate_to:
        problems["escalate_to"] = "Name the teams to which it escalates."
    if escalate_to and not gate.escalate_after_minutes:
        problems["escalate_after_minutes"] = "Say after how long it escalates to these teams."
    if gate.at_deadline == Gate.AtDeadline.NOTHING:
        return problems
    if gate.kind == Gate.Kind.JOB:
        problems["at_deadline"] = "An outside job reports for itself: choose “Nothing”."
    elif gate.at_deadline == Gate.AtDeadline.APPROVE and gate.silence != SILENCE_APPROVES:
        problems["silence"] = f"To have silence approve, write exactly: {SILENCE_APPROVES}"
    return problems
