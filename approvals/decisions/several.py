"""DECISION, several at once: each by `decide` in a transaction of its own, none on another's cost.

What is decided is what was shown: a task that has changed since is reported instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from approvals.decisions.decide import Outcome, decide, lock
from approvals.decisions.likeness import digest
from approvals.errors import CannotDecide
from approvals.models import Decision
from approvals.people.eligibility import Person
from approvals.states import Verdict

MOST = 50
_SECRET = ("task__token_ciphertext", "task__token_digest", "task__search")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one: what its decision led to, or in words why there is none."""

    task_id: UUID
    outcome: Outcome | None = None
    refused: str = ""


def decide_several(
    shown: Mapping[UUID, str],
    person: Person,
    verdict: Verdict,
    *,
    comment: str,
    batch: UUID,
    read_seconds: float | None,
    pointed_out: Mapping[str, Any],
) -> list[Result]:
    """Decide up to `MOST` tasks, each with the digest of what was shown of it.

    Sent a second time, the same `batch` decides nothing again and has the same results; nor does it
    decide what was taken back meanwhile.
    """
    assert len(shown) <= MOST, "more than a request has time for"
    same_for_all: dict[str, Any] = {
        "comment": comment,
        "batch": batch,
        "read_seconds": read_seconds,
        "pointed_out": pointed_out,
    }
    results = []
    for task_id, seen in shown.items():
        try:
            outcome = _decide_one(task_id, seen, person, verdict, **same_for_all)
        except CannotDecide as reason:
            results.append(_before(task_id, person, batch) or Result(task_id, refused=str(reason)))
        else:
            results.append(Result(task_id, outcome))
    return results


@transaction.atomic
def _decide_one(
    task_id: UUID, seen: str, person: Person, verdict: Verdict, **given: Any
) -> Outcome:
    task = lock(task_id)
    if _of_batch(task_id, person, given["batch"]).filter(withdrawn_at__isnull=False).exists():
        raise CannotDecide("You have taken this back.")
    if task.is_pending and digest(task) != seen:
        raise CannotDecide("It has changed since you looked at it.")
    return decide(task_id, person, verdict, via=Decision.Via.BULK, **given)


def _before(task_id: UUID, person: Person, batch: UUID) -> Result | None:
    """What the same form has done already, if it has."""
    mine = _of_batch(task_id, person, batch).filter(withdrawn_at=None)
    decision = mine.select_related("task__gate").defer(*_SECRET).first()
    return Result(task_id, Outcome(decision.task, decision)) if decision else None


def _of_batch(task_id: UUID, person: Person, batch: UUID) -> QuerySet[Decision]:
    return Decision.objects.filter(task=task_id, reviewer=person.user, batch=batch)
