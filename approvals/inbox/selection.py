"""The door, several at once: which of the tasks that somebody picked go together, and why not.

Reads only, a constant number of queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Prefetch

from approvals.asked import needs_more
from approvals.asked.form import form_of
from approvals.decisions.likeness import groups
from approvals.decisions.rules import check_can_decide
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, Decision, Place
from approvals.people.eligibility import Person


@dataclass(slots=True)
class Selection:
    """What of the tasks that somebody picked can be decided together, and what not and why."""

    like: list[ApprovalTask] = field(default_factory=list)
    others: list[list[ApprovalTask]] = field(default_factory=list)  # alike among themselves
    apart: list[tuple[ApprovalTask, str]] = field(default_factory=list)
    unknown: int = 0  # that do not exist, or are not theirs to see


def select(person: Person, ids: Sequence[UUID]) -> Selection:
    """What `person` could decide together of these tasks; the biggest group of like ones wins."""
    selection, free = Selection(), []
    found = _tasks(ids)
    for task_id in ids:
        task = found.get(task_id)
        reason = _why_apart(task, person) if task else ""
        if task is None or (reason and not person.can_see(task)):
            selection.unknown += 1
        elif reason:
            selection.apart.append((task, reason))
        else:
            free.append(task)
    selection.like, *selection.others = groups(free) or [[]]
    return selection


def _tasks(ids: Sequence[UUID]) -> dict[UUID, ApprovalTask]:
    """With all that the rules ask of each."""
    standing = Decision.objects.standing().select_related("reviewer", "on_behalf_of")
    places = Place.objects.select_related("user", "stands_for")
    tasks = ApprovalTask.objects.select_related("gate", "connection", "callback", "claimed_by")
    found = tasks.without_secrets().prefetch_related(
        Prefetch("decisions", standing.order_by("decided_at", "id"), to_attr="standing_kept"),
        Prefetch("places", places, to_attr="places_read"),
    )
    return {task.pk: task for task in found.filter(pk__in=ids)}


def _why_apart(task: ApprovalTask, person: Person) -> str:
    try:
        check_can_decide(task, person)
    except CannotDecide as reason:
        return str(reason)
    return why_by_itself(task)


def why_by_itself(task: ApprovalTask) -> str:
    """What a task asks for beside a button, so that it can only be decided on its own page."""
    if not needs_more(task):
        return ""
    if form_of(task):
        return "It asks for a form to be filled in."
    if task.gate.choices or task.choices:
        return "It offers choices of its own."
    return "Its payload may be changed, so it wants a look of its own."
