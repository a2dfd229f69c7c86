"""The door, what is asked beside yes and no: the buttons, and what decisions chose, filled in and
changed. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from approvals.asked.choices import Choice, choices_of, label_of_choice
from approvals.asked.edits import digest, may_change
from approvals.asked.form import form_of, label_of
from approvals.models import ApprovalTask, Decision

CUT = 400  # characters of a value


@dataclass(frozen=True, slots=True)
class Button:
    """`shortcut` is a key for the first of each verdict, else blank."""

    choice: Choice
    shortcut: str
    query: str


@dataclass(frozen=True, slots=True)
class Change:
    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """What a decision says beside its verdict."""

    choice: str
    form: list[tuple[str, str]]
    changes: list[Change]


def buttons(task: ApprovalTask) -> list[Button]:
    """In the order of a bar whose last button is the first way to approve."""
    choices = choices_of(task)
    rejects = [one for one in choices if one.is_rejecting]
    approves = [one for one in choices if not one.is_rejecting]
    seen = digest(task) if may_change(task) else ""
    return [
        Button(
            choice=one,
            shortcut="r" if one is rejects[0] else "a" if one is approves[0] else "",
            query=urlencode(dict(_parameters(one, seen))),
        )
        for one in (*rejects, *reversed(approves))
    ]


def said(task: ApprovalTask, decision: Decision) -> Said:
    schema = form_of(task)
    form = decision.form or {}
    return Said(
        choice=label_of_choice(task, decision.choice) if decision.choice else "",
        form=[(label_of(schema, name), _text(value)) for name, value in form.items()],
        changes=[
            Change(
                edit["path"] or "all of it",
                _text(edit["before"]) if "before" in edit else None,
                _text(edit["after"]) if "after" in edit else None,
            )
            for edit in decision.edits
        ],
    )


def changed_by(decisions: Sequence[Decision]) -> Decision | None:
    return next((one for one in decisions if one.edits), None)


def _parameters(choice: Choice, seen: str) -> Iterator[tuple[str, str]]:
    yield "verdict", choice.verdict.value
    if choice.key:
        yield "choice", choice.key
    if seen:
        yield "seen", seen


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        text = ", ".join(value) or "none"
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= CUT else f"{text[:CUT]}…"
