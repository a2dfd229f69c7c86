"""DECISION, the rules: `check_can_decide` raises with words for people, `can_decide` answers.

Every door (inbox, link, several at once, admin) asks here, and `decide` asks again under the row's
lock.
"""

from collections.abc import Mapping
from typing import Any

from approvals.asked.choices import Choice, choice_of
from approvals.asked.edits import UNCHANGED, CannotChange, Edit, check_edits, digest
from approvals.asked.form import form_of, label_of, problems
from approvals.decisions.answer import settling
from approvals.errors import AlreadySettled, CannotDecide
from approvals.models import ApprovalTask, Decision, Gate, Place, User
from approvals.people.eligibility import Person, Seat, is_requester, places_of
from approvals.states import TaskStatus, Verdict

NOT_OFFERED = "This is not among the choices any more. Look at it again."


def check_can_decide(task: ApprovalTask, person: Person) -> Seat:
    """The place from which `person` decides; raises `CannotDecide` with the reason.

    Needs `task.gate`. A constant number of queries.
    """
    seat = check_has_seat(task, person)
    other = claimer(task)
    if other and other != person.user:
        raise CannotDecide(f"{other} is on it. Take it over to decide.")
    return seat


def claimer(task: ApprovalTask) -> User | None:
    """Who said that they are on it. Whoever is away or gone since then keeps nobody waiting."""
    by = task.claimed_by if task.claimed_by_id else None
    return by if by and by.is_active and not by.is_away else None


def check_has_seat(task: ApprovalTask, person: Person) -> Seat:
    """As `check_can_decide`, whoever else is on it."""
    if task.status != TaskStatus.PENDING:
        raise AlreadySettled(settled_words(task))
    decisions = standing_of(task)
    if task.settles_at:
        raise AlreadySettled(_held_words(decisions))
    mine = next((one for one in decisions if one.reviewer_id == person.user.pk), None)
    if mine:
        raise CannotDecide(f"You have {_said(task, mine)} this already.")
    seats = person.seats_at(task, decisions)
    if not seats:
        raise CannotDecide(_why_no_seat(task, person, decisions))
    if task.gate.exclude_requester and is_requester(person.user, task):
        raise CannotDecide("You requested this, so somebody else has to decide.")
    return seats[0]


def standing_of(task: ApprovalTask) -> list[Decision]:
    """The decisions that count, in their order; kept ones where many tasks are asked about at once
    (`standing_kept`, see `inbox.bulk`)."""
    kept: list[Decision] | None = getattr(task, "standing_kept", None)
    if kept is not None:
        return kept
    standing = task.decisions.standing().select_related("reviewer", "on_behalf_of")
    return list(standing.order_by("decided_at", "id"))


def can_decide(task: ApprovalTask, person: Person) -> bool:
    try:
        check_can_decide(task, person)
    except CannotDecide:
        return False
    return True


def check_choice(task: ApprovalTask, verdict: Verdict, key: str, comment: str) -> Choice:
    """What was chosen; raises `CannotDecide` where the gate does not offer it, or wants a reason
    and there is none."""
    choice = choice_of(task, verdict, key)
    if choice is None:
        raise CannotDecide(NOT_OFFERED)
    if task.gate.kind == Gate.Kind.JOB and not comment.strip():
        raise CannotDecide("Please say how you know.")
    if choice.needs_reason and not comment.strip():
        does = "approve" if verdict == Verdict.APPROVE else "reject"
        raise CannotDecide(f"Please say why you {does} this.")
    return choice


def check_form(task: ApprovalTask, choice: Choice, form: Mapping[str, Any] | None) -> None:
    """Raises `CannotDecide` unless `form` answers what approving `task` asks for; rejecting asks
    for nothing."""
    schema = form_of(task) if choice.verdict == Verdict.APPROVE else None
    if schema is None:
        if form is not None:
            raise CannotDecide("There is no form to fill in here (any more). Look at it again.")
        return
    if form is None:
        raise CannotDecide("This asks for more than a button: open it and fill in the form.")
    for name, words in problems(schema, dict(form)).items():
        where = f"“{label_of(schema, name)[:60]}”: " if name else "The form: "
        raise CannotDecide(f"{where}{words[0]}")


def check_payload(task: ApprovalTask, verdict: Verdict, payload: Any, seen: str) -> list[Edit]:
    """What `payload` changes; raises `CannotDecide` where it may not, and where what the reviewer
    has `seen` (`edits.digest`) is not what there is to decide about any more.

    What others have approved does not change under them.
    """
    if (seen and seen != digest(task)) or (not seen and task.edited_payload is not None):
        who = next((one.reviewer.display_name for one in standing_of(task) if one.edits), "")
        if not who:
            raise CannotDecide("What this asks has changed meanwhile. Look again.")
        raise CannotDecide(f"{who} has changed the payload meanwhile. Look again.")
    if payload is UNCHANGED:
        return []
    try:
        edits = check_edits(task, payload)
    except CannotChange as reason:
        raise CannotDecide(str(reason)) from None
    if edits and verdict != Verdict.APPROVE:
        raise CannotDecide("Only who approves can change the payload.")
    if edits and (before := standing_of(task)):
        who = before[0].reviewer.display_name
        raise CannotDecide(f"{who} has decided on the payload as it is: it stays so.")
    return edits


def _why_no_seat(task: ApprovalTask, person: Person, decisions: list[Decision]) -> str:
    if task.gate.exclude_requester and is_requester(person.user, task):
        return "You requested this, so somebody else has to decide."
    if task.has_places:
        mine = [one for one in places_of(task) if one.stands_for_id == person.user.pk]
        handed = next((one for one in mine if one.why == Place.Why.HANDED and one.is_open), None)
        if handed:
            return f"You handed this to {handed.user}."
    for one in decisions:
        if one.on_behalf_of_id == person.user.pk:
            return f"{one.reviewer.display_name} has {_said(task, one)} this in your place."
    if task.is_narrowed and person.reviews(task):
        return "You can look at this task, but it asks others of its gate."
    if any(one.gate == task.gate_id and one.stage > task.stage for one in person.memberships):
        return "It comes to you once those before you have approved."
    if person.reviews(task):
        return "There is nothing left for you to decide here; others go on."
    return "You can look at this task, but its gate does not name you."


def _said(task: ApprovalTask, decision: Decision) -> str:
    if task.gate.kind == Gate.Kind.JOB:
        return "settled"
    return "approved" if decision.verdict == Verdict.APPROVE else "rejected"


def _held_words(decisions: list[Decision]) -> str:
    last = decisions[-1] if decisions else None
    if last is None:
        return "This is already decided."
    said = "approved" if last.verdict == Verdict.APPROVE else "rejected"
    return f"{last.reviewer.display_name} has just {said} this, and can still undo that."


def settled_words(task: ApprovalTask) -> str:
    """Who was first, or why there is nothing to decide any more."""
    if task.settled_reason and task.status != TaskStatus.SUPERSEDED:
        return task.settled_reason
    last = settling(TaskStatus(task.status), standing_of(task))
    match task.status:
        case TaskStatus.APPROVED if last:
            return f"{last.reviewer.display_name} has already approved this."
        case TaskStatus.REJECTED if last:
            return f"{last.reviewer.display_name} has already rejected this."
        case TaskStatus.SUCCEEDED | TaskStatus.FAILED:
            by_hand = last and task.callback.decision_id == last.pk
            who = last.reviewer.display_name if last and by_hand else "The job itself"
            return f"{who} has already said that it {task.status}."
        case TaskStatus.EXPIRED:
            return "Time ran out before this was decided."
        case TaskStatus.CANCELLED:
            return "The workflow ended before this was decided."
        case TaskStatus.SUPERSEDED:
            return "The workflow asks anew: a newer task took the place of this one."
    return "This is already settled."
