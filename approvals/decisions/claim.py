"""DECISION, by one of many: where a single approval passes, somebody says that they are on it.

The others then leave it to them, or take it over. Decides nothing by itself.
"""

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from approvals.audit.record import Action, event, record
from approvals.decisions.decide import lock
from approvals.decisions.rules import check_has_seat, claimer
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, Gate
from approvals.notices.occasions import moved
from approvals.people.eligibility import Person

CLAIM_FIELDS = ("claimed_by", "claimed_at")


def can_be_claimed(task: ApprovalTask) -> bool:
    """Where several have to approve, nobody can be on it alone."""
    return task.gate.kind == Gate.Kind.PEOPLE and task.required == 1


@transaction.atomic
def claim(task_id: UUID, person: Person, *, taken_from: int | None = None) -> ApprovalTask:
    """Have `person` be on it, from now on alone.

    `taken_from`: the id of whoever they saw there, so that an old page takes it from nobody else.
    Raises `CannotDecide` with the reason, and `ApprovalTask.DoesNotExist`.
    """
    task = lock(task_id)
    check_has_seat(task, person)
    if not can_be_claimed(task):
        raise CannotDecide("Several have to approve this, so nobody is on it alone.")
    before = claimer(task)
    if before == person.user:
        return task
    if before and before.pk != taken_from:
        raise CannotDecide(f"{before} was first and is on it now. You can take it over.")
    task.claimed_by, task.claimed_at = person.user, Now()
    task.save(update_fields=CLAIM_FIELDS)
    taken = {"taken_from": str(before)} if before else {}
    record(event(Action.CLAIMED, task=task, actor=person.user, **taken))
    if before:
        moved(task, away_from=[before], to=person.user, actor=person.user)
    return task


@transaction.atomic
def release(task_id: UUID, person: Person) -> ApprovalTask:
    """Leave it to all of them again. Raises as `claim` does."""
    task = lock(task_id)
    if not task.is_pending or task.claimed_by_id != person.user.pk:
        raise CannotDecide("You are not on it any more.")
    task.claimed_by = task.claimed_at = None
    task.save(update_fields=CLAIM_FIELDS)
    record(event(Action.RELEASED, task=task, actor=person.user))
    return task
