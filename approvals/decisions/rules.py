"""DECISION, the rules: `check_can_decide` raises with words for people, `can_decide` answers.

Every door (inbox, link, several at once, admin) asks here, and `decide` asks again under the row's
lock.
"""

from approvals.asked.choices import Choice, choice_of
from approvals.errors import AlreadySettled, CannotDecide
from approvals.models import ApprovalTask, Decision, Gate, Place
from approvals.people.eligibility import Person, Seat, is_requester
from approvals.states import TaskStatus, Verdict


def check_can_decide(task: ApprovalTask, person: Person) -> Seat:
    """The place from which `person` decides; raises `CannotDecide` with the reason.

    Needs `task.gate`. A constant number of queries.
    """
    if task.status != TaskStatus.PENDING:
        raise AlreadySettled(settled_words(task))
    decisions = list(task.decisions.standing().select_related("reviewer"))
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
    if task.claimed_by_id and task.claimed_by_id != person.user.pk:
        raise CannotDecide(f"{task.claimed_by} is on it. Take it over to decide.")
    return seats[0]


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
        raise CannotDecide("This is not among the choices any more. Look at it again.")
    if task.gate.kind == Gate.Kind.JOB and not comment.strip():
        raise CannotDecide("Please say how you know.")
    if choice.needs_reason and not comment.strip():
        does = "approve" if verdict == Verdict.APPROVE else "reject"
        raise CannotDecide(f"Please say why you {does} this.")
    return choice


def _why_no_seat(task: ApprovalTask, person: Person, decisions: list[Decision]) -> str:
    if task.gate.exclude_requester and is_requester(person.user, task):
        return "You requested this, so somebody else has to decide."
    if task.has_places:
        handed = task.places.filter(
            why=Place.Why.HANDED, stands_for=person.user, is_open=True
        ).first()
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
    last = task.decisions.standing().select_related("reviewer").order_by("-decided_at").first()
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
