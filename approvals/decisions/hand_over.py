"""DECISION, by somebody else: a reviewer gives their place at one task to a colleague.

The place stays the giver's for the tally, and they may take it back until it has been used.
"""

from collections import Counter
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from approvals.audit.record import Action, event, record
from approvals.decisions.claim import CLAIM_FIELDS
from approvals.decisions.decide import lock
from approvals.decisions.rules import check_can_decide, settled_words, standing_of
from approvals.errors import AlreadySettled, CannotDecide
from approvals.models import ApprovalTask, Gate, Place, User
from approvals.notices.occasions import Kind, happened, moved
from approvals.people.eligibility import Person, Seat, is_requester
from approvals.people.quorum import Needs
from approvals.people.roster import members, review_rule, roster


def can_hand_over(task: ApprovalTask) -> bool:
    """Whether its gate lets anybody do so."""
    gate = task.gate
    return gate.kind == Gate.Kind.PEOPLE and gate.hand_over != Gate.HandOver.NOBODY


def reviewers(gate: Gate) -> QuerySet[User]:
    """Whoever the gate names, at any of its stages."""
    named = set(members(gate))
    for stage in gate.stages.all():
        named |= set(members(stage))
    return User.objects.filter(pk__in=named, is_active=True)


def recipients(task: ApprovalTask, giver: User) -> QuerySet[User]:
    """Whom the gate lets a place be given to; by name. `hand_over` asks for more of them."""
    if not can_hand_over(task):
        return User.objects.none()
    anybody = task.gate.hand_over == Gate.HandOver.ANYBODY
    found = User.objects.filter(is_active=True) if anybody else reviewers(task.gate)
    decided = task.decisions.standing().values("reviewer")
    found = found.exclude(pk=giver.pk).exclude(pk__in=decided)
    return found.order_by("first_name", "last_name", "username")


@transaction.atomic
def hand_over(task_id: UUID, person: Person, to: User, note: str = "") -> ApprovalTask:
    """Give the place from which `person` would decide to `to`, who hears of it, as does whoever
    else had it or whose it is.

    Raises `CannotDecide` with the reason and `ApprovalTask.DoesNotExist`; then nothing changed.
    """
    task = lock(task_id)
    seat = check_can_decide(task, person)
    _check_recipient(task, seat, person.user, to)
    places = _places_of(task, seat.holder)
    losers = {seat.holder, *places.values_list("user", flat=True)} - {person.user.pk, to.pk}
    places.update(is_open=False)
    if to.pk != seat.holder:
        Place.objects.create(
            task=task,
            why=Place.Why.HANDED,
            user=to,
            stands_for_id=seat.holder,
            for_groups=None if seat.groups is None else sorted(seat.groups),
        )
        _check_enough_are_left(task)
    task.has_places = True
    if task.claimed_by_id == person.user.pk:
        task.claimed_by, task.claimed_at = to, Now()
    task.save(update_fields=["has_places", *CLAIM_FIELDS])
    note, whose = note.strip(), {}
    if seat.holder != person.user.pk:
        whose["on_behalf_of"] = str(User.objects.get(pk=seat.holder))
    said = event(
        Action.HANDED_OVER, task=task, actor=person.user, to=str(to), comment=note, **whose
    )
    record(said)
    happened(Kind.HANDED_OVER, [task], actor=person.user, person=to, by=str(person.user), note=note)
    moved(task, away_from=User.objects.filter(pk__in=losers), to=to, actor=person.user)
    return task


@transaction.atomic
def take_back(task_id: UUID, person: Person) -> ApprovalTask:
    """Sit on one's own place again, or on that of somebody for whom one stands in.

    Raises `CannotDecide` where it has been used by now, or there is none.
    """
    task = lock(task_id)
    if not task.is_pending:
        raise AlreadySettled(settled_words(task))
    place = handed_away(task, person)
    if place is None:
        raise CannotDecide("There is nothing here for you to take back.")
    for one in standing_of(task):
        if one.stage == task.stage and one.on_behalf_of_id == place.stands_for_id:
            raise CannotDecide(f"{one.reviewer} has decided by now.")
    _places_of(task, place.stands_for_id).update(is_open=False)
    if task.claimed_by_id == place.user_id:
        task.claimed_by = task.claimed_at = None
    task.save(update_fields=CLAIM_FIELDS)
    record(event(Action.HANDED_OVER, task=task, actor=person.user, taken_from=str(place.user)))
    assert place.user, "somebody sits on a place that was handed over"
    moved(task, away_from=[place.user], to=person.user, actor=person.user)
    return task


def handed_away(task: ApprovalTask, person: Person) -> Place | None:
    """The open place that `person` may take back."""
    if not task.has_places:
        return None
    holders = [person.user.pk, *(person.principals if person.stands_in_at(task.gate) else ())]
    found = task.places.filter(why=Place.Why.HANDED, is_open=True, stands_for__in=holders)
    return found.exclude(user=person.user).select_related("user", "stands_for").first()


def _places_of(task: ApprovalTask, holder: int | None) -> QuerySet[Place]:
    return task.places.filter(why=Place.Why.HANDED, is_open=True, stands_for=holder)


def _check_recipient(task: ApprovalTask, seat: Seat, giver: User, to: User) -> None:
    if not can_hand_over(task):
        raise CannotDecide("This gate lets nobody hand over.")
    if to.pk == giver.pk:
        raise CannotDecide("It is with you already.")
    if to.pk != seat.holder and not recipients(task, giver).filter(pk=to.pk).exists():
        raise CannotDecide(_why_not(task, to))
    if task.gate.exclude_requester and is_requester(to, task):
        raise CannotDecide(f"{to} requested this, so somebody else has to decide.")
    review = review_rule(task.gate, task.stage)
    own = roster(task).get(to.pk) if review.needs == Needs.EACH_GROUP else None
    if own is not None and seat.holder != to.pk and not (seat.groups or frozenset()) <= own:
        raise CannotDecide(f"{to} reviews for another team here, and can't for both.")


def _why_not(task: ApprovalTask, to: User) -> str:
    if not to.is_active:
        return f"{to} has no account any more."
    if task.decisions.standing().filter(reviewer=to).exists():
        return f"{to} has decided on this already."
    return f"{to} does not review at “{task.gate}”."


def _check_enough_are_left(task: ApprovalTask) -> None:
    """Each person decides once, from whatever places: with too few of them nothing can pass."""
    review = review_rule(task.gate, task.stage)
    if review.needs == Needs.EACH_GROUP or task.escalated_at:
        return
    decisions = standing_of(task)
    used = {one.on_behalf_of_id or one.reviewer_id for one in decisions if one.stage == task.stage}
    handed = task.places.filter(why=Place.Why.HANDED, is_open=True)
    sits = dict(handed.values_list("stands_for", "user"))
    left = Counter(sits.get(holder, holder) for holder in roster(task) if holder not in used)
    able = len(set(left) - {one.reviewer_id for one in decisions})
    missing = task.required - task.approvals
    if able < missing:
        raise CannotDecide(
            f"Then {able} could still decide, each once, and {missing} more approvals are needed."
        )
