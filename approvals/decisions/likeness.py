"""DECISION, several at once: which tasks ask the same, and in what they differ. Pure.

Alike are tasks of the same gate, stage, workflow and state whose payloads have the same leaves:
the same JSON Pointers with values of the same types.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from approvals.asked.edits import payload_of
from approvals.models import ApprovalTask

Leaves = dict[str, Any]  # value by JSON Pointer
_TYPES = {bool: "yes or no", int: "number", float: "number", str: "text", type(None): "nothing"}


@dataclass(frozen=True, slots=True)
class Likeness:
    """Equal for tasks that may be decided together."""

    gate: int
    stage: int
    workflow: str
    state: str
    shape: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Column:
    """A place in the payload at which tasks differ: each one's value, in their order."""

    path: str
    values: list[Any]

    @property
    def numbers(self) -> list[int | float]:
        """All its values if they are numbers, so that they can be added up; else none."""
        if all(_type(value) == "number" for value in self.values):
            return self.values
        return []

    @property
    def total(self) -> Decimal:
        """As people add: 0.1 and 0.2 make 0.3."""
        return sum((Decimal(str(number)) for number in self.numbers), Decimal())


@dataclass(frozen=True, slots=True)
class Differences:
    """What is the same in all, and what is not; in the order of the first payload."""

    same: Leaves
    columns: list[Column]


def likeness(task: ApprovalTask) -> Likeness:
    shape = frozenset((path, _type(value)) for path, value in leaves(payload_of(task)).items())
    return Likeness(task.gate_id, task.stage, task.workflow, task.state, shape)


def groups(tasks: Sequence[ApprovalTask]) -> list[list[ApprovalTask]]:
    """Tasks by likeness, the biggest group first; each in the order in which they came."""
    found: dict[Likeness, list[ApprovalTask]] = {}
    for task in tasks:
        found.setdefault(likeness(task), []).append(task)
    return sorted(found.values(), key=len, reverse=True)


def why_unlike(task: ApprovalTask, others: ApprovalTask) -> str:
    """What keeps `task` from being decided together with those like `others`."""
    if task.gate_id != others.gate_id:
        return f"is at another gate: {task.gate.name}"
    if task.stage != others.stage:
        return "is at another stage"
    if (task.workflow, task.state) != (others.workflow, others.state):
        return "is another workflow's" if task.workflow != others.workflow else "is another step's"
    return "has a payload of another shape"


def differences(tasks: Sequence[ApprovalTask]) -> Differences:
    """Of tasks that are alike."""
    all_leaves = [leaves(payload_of(task)) for task in tasks]
    same: Leaves = {}
    columns = []
    for path, first in all_leaves[0].items():
        values = [one[path] for one in all_leaves]
        if all(value == first for value in values):
            same[path] = first
        else:
            columns.append(Column(path, values))
    return Differences(same, columns)


def digest(task: ApprovalTask) -> str:
    """Of what a reviewer is shown of a task: differs once that is not what is asked any more."""
    shown = (task.stage, task.title, task.summary, payload_of(task))
    text = json.dumps([str(task.pk), *shown], sort_keys=True)
    return hashlib.blake2s(text.encode(), digest_size=16).hexdigest()


def leaves(value: Any) -> Leaves:
    """Every value that holds no other, by its JSON Pointer ("" for the whole)."""
    return dict(_walk(value))


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Without recursion: payloads may nest as deep as they like."""
    rest: list[tuple[str, Any]] = [("", value)]
    while rest:
        path, one = rest.pop()
        if isinstance(one, Mapping) and one:
            inner = [(f"{path}/{_escape(key)}", held) for key, held in one.items()]
        elif isinstance(one, list) and one:
            inner = [(f"{path}/{at}", held) for at, held in enumerate(one)]
        else:
            yield path, one
            continue
        rest += reversed(inner)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _type(value: Any) -> str:
    return _TYPES.get(type(value), type(value).__name__)
