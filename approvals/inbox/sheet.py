"""The door, several at once: the table of what is the same in like tasks and what is not."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.utils import timezone
from django.utils.safestring import SafeString

from approvals.asked.choices import Choice, choice_of
from approvals.decisions.likeness import Column, Differences, differences, digest
from approvals.inbox import markdown, payload, times
from approvals.inbox.detail import Detail
from approvals.models import ApprovalTask
from approvals.people.eligibility import Person
from approvals.states import Verdict

MAX_COLUMNS, MAX_SAME = 8, 12
LONGEST_NAME = 60
LARGEST = 10**15  # numbers beyond it are not for adding up
# Names of what people add up, unlike years and numbers of orders. Broken numbers are amounts too.
_QUANTITY = re.compile(r"amount|total|sum|price|cost|count|quantity|qty|size|hours|budget", re.I)


@dataclass(frozen=True, slots=True)
class Line:
    """One task of the table: its cells are (column heading, value)."""

    task: ApprovalTask
    shown: str  # comes back with the form: which task, and what of it was on the page
    cells: list[tuple[str, SafeString]]
    left: SafeString | None


class Sheet:
    """What the table shows of tasks that are alike."""

    def __init__(self, tasks: list[ApprovalTask], verdict: Verdict, person: Person) -> None:
        found = differences(tasks)
        first = tasks[0]
        choice = choice_of(first, verdict)
        assert choice, "there is at least one of each verdict"
        self.tasks, self.gate = tasks, first.gate
        self.choice: Choice = choice
        self.same = [(_name(path), payload.leaf(v)) for path, v in found.same.items()][:MAX_SAME]
        self.same_hidden = max(0, len(found.same) - MAX_SAME)
        self.columns = found.columns[:MAX_COLUMNS]
        self.hidden = [_name(column.path) for column in found.columns[MAX_COLUMNS:]]
        self.summary = first.summary if len({task.summary for task in tasks}) == 1 else ""
        self._summaries_differ = bool(not self.summary and any(task.summary for task in tasks))
        self.lines = list(self._make_lines())
        self.totals = [(_name(column.path), _totals(column)) for column in self.columns]
        if self._summaries_differ:
            self.totals.insert(0, ("Summary", ""))
        self.effect = self._effect(Detail(first, person))

    @property
    def summary_html(self) -> SafeString:
        return markdown.render(self.summary)

    @property
    def headings(self) -> list[str]:
        names = [_name(column.path) for column in self.columns]
        return ["Summary", *names] if self._summaries_differ else names

    @property
    def has_totals(self) -> bool:
        return any(total for _, total in self.totals)

    def _make_lines(self) -> Iterator[Line]:
        now = timezone.now()
        for at, task in enumerate(self.tasks):
            cells = [payload.leaf(task.summary)] if self._summaries_differ else []
            cells += [payload.leaf(column.values[at]) for column in self.columns]
            yield Line(
                task,
                f"{task.pk}.{digest(task)}",
                list(zip(self.headings, cells, strict=True)),
                times.left_tag(task.runs_out_at, now) if task.runs_out_at else None,
            )

    def _effect(self, detail: Detail) -> str:
        alike = len({(task.approvals, task.required) for task in self.tasks}) == 1
        if alike or self.choice.is_rejecting:
            return detail.effect_of(self.choice)
        return "some of them still need more approvals after yours."


def read_at_least(tasks: Sequence[ApprovalTask], found: Differences) -> str:
    """What everybody reads who reads the table of `tasks`: once what is the same in all, and of
    each row what differs; without names, and without what is left out or folded."""
    summaries = {task.summary for task in tasks}
    if len(summaries) > 1:
        summaries = {task.summary[: payload.CUT] for task in tasks}
    values = [
        *islice(found.same.values(), MAX_SAME),
        *(value for column in found.columns[:MAX_COLUMNS] for value in column.values),
    ]
    return " ".join([*summaries, *(str(value)[: payload.CUT] for value in values)])


def _name(path: str) -> str:
    """A JSON Pointer as people would say it."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    said = " › ".join(parts) or "payload"
    return said if len(said) <= LONGEST_NAME else f"{said[: LONGEST_NAME - 1]}…"


def _totals(column: Column) -> str:
    numbers = column.numbers
    if not numbers or max(map(abs, numbers)) >= LARGEST:
        return ""
    span = f"{min(numbers)} to {max(numbers)}"
    is_quantity = _QUANTITY.search(column.path.rpartition("/")[2])
    if is_quantity or any(isinstance(number, float) for number in numbers):
        return f"Sum {column.total} · {span}"
    return span
