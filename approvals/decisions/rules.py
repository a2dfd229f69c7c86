"""DECISION, the rules: `check_can_decide` raises with words for people, `can_decide` answers.

Every door (inbox, link, API, admin) asks here, and `decide` asks again under the row's lock.
"""

from approvals.errors import AlreadySettled, CannotDecide
from approvals.models import ApprovalTask, Gate
from approvals.people.eligibility import Person, is_requester
from approvals.states import TaskStatus, Verdict


def check_can_decide(task: ApprovalTask, person: Person) -> None:
    """Raises `CannotDecide` with the reason. Needs `task.gate`; two queries at most."""
    if task.status != TaskStatus.PENDING:
        raise AlreadySettled(settled_words(task))
    if not person.reviews(task):
        raise CannotDecide("You can look at this task, but its gate does not name you.")
    if task.gate.exclude_requester and is_requester(person.user, task):
        raise CannotDecide("You requested this, so somebody else has to decide.")
    mine = task.decisions.filter(reviewer=person.user).first()
    if mine:
        said = "approved" if mine.verdict == Verdict.APPROVE else "rejected"
        if task.gate.kind == Gate.Kind.JOB:
            said = "settled"
        raise CannotDecide(f"You have {said} this already.")


def can_decide(task: ApprovalTask, person: Person) -> bool:
    try:
        check_can_decide(task, person)
    except CannotDecide:
        return False
    return True


def check_comment(task: ApprovalTask, verdict: Verdict, comment: str) -> None:
    """Raises `CannotDecide` where the gate wants a reason and there is none."""
    if task.gate.kind == Gate.Kind.JOB and not comment.strip():
        raise CannotDecide("Please say how you know.")
    if verdict == Verdict.REJECT and task.gate.reason_required and not comment.strip():
        raise CannotDecide("Please say why you reject this.")


def settled_words(task: ApprovalTask) -> str:
    """Who was first, or why there is nothing to decide any more."""
    last = task.decisions.select_related("reviewer").order_by("-decided_at").first()
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
            return task.settled_reason or "The workflow ended before this was decided."
        case TaskStatus.SUPERSEDED:
            return "The workflow asks anew: a newer task took the place of this one."
    return "This is already settled."
