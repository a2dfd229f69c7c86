"""The door, who can approve: the reviewers of a gate or of one task, why each can or can't now, and
who could not be away. Reads only; the number of queries does not grow with the people."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.template.defaultfilters import pluralize
from django.utils.safestring import SafeString
from django.utils.text import get_text_list
from django.views.decorators.http import require_safe

from approvals.decisions.rules import check_has_seat, claimer, settled_words, standing_of
from approvals.errors import CannotDecide
from approvals.inbox import times
from approvals.inbox.detail import find_task, sees_who
from approvals.inbox.door import Request, signed_in
from approvals.inbox.stages import Way, needed
from approvals.models import ApprovalTask, Decision, Gate, Place, ReviewRule, User
from approvals.people.eligibility import Person, Seat, is_requester, places_of
from approvals.people.roles import SEE_EVERY_TASK
from approvals.people.roster import review_rule
from approvals.people.who import Crowd, Outlook, outlook
from approvals.states import TaskStatus, Verdict

# So many names are read by nobody.
LISTED = 200

# In the order in which they are listed.
TONES = {"can": "approve", "away": "soon", "done": "accent", "not": ""}


@dataclass(frozen=True, slots=True)
class Row:
    """One person at a stage. `state` is a key of `TONES`."""

    user: User
    state: str
    word: str
    note: SafeString | str = ""

    @property
    def tone(self) -> str:
        return TONES[self.state]


@dataclass(frozen=True, slots=True)
class Desk:
    """One stage: what it needs, whether that can be had, and from whom. `state`: of one task, here,
    later or passed, of which no more than `needs` is told."""

    number: int  # in the order of the gate
    name: str
    needs: str
    verdict: str = ""
    tone: str = ""  # of the verdict
    rows: Sequence[Row] = ()
    hidden: int = 0
    state: str = ""


@require_safe
@signed_in
def of_gate(request: Request, slug: str) -> HttpResponse:
    gate = get_object_or_404(Gate, slug=slug)
    if gate.pk not in request.person.gates and not request.user.has_perm(SEE_EVERY_TASK):
        raise Http404("There is no such gate, or it does not name you.")
    # A task that is thought up: nobody requested it and nobody has said anything.
    task = ApprovalTask(gate=gate, status=TaskStatus.PENDING)
    task.standing_kept = []  # type: ignore[attr-defined]
    crowd = Crowd(gate)
    desks = [
        _desk(_at(task, at), rule, crowd, [], number)
        for number, (at, rule) in enumerate(Way(task, []).rules, 1)
    ]
    return render(request, "inbox/who.html", {"gate": gate, "desks": desks})


@require_safe
@signed_in
def of_task(request: Request, task_id: UUID) -> HttpResponse:
    task = find_task(request.person, task_id)
    if not sees_who(request.person, task):
        raise Http404("There is no such task, or its gate does not name you.")
    context = {"gate": task.gate, "task": task}
    if not task.is_pending:
        return render(request, "inbox/who.html", {**context, "settled": settled_words(task)})
    decisions = standing_of(task)
    task.standing_kept = decisions  # type: ignore[attr-defined]
    return render(request, "inbox/who.html", {**context, "desks": _desks(task, decisions)})


def _desks(task: ApprovalTask, decisions: list[Decision]) -> list[Desk]:
    """Where the task is, then where it will come to, then what it has passed."""
    crowd, way = Crowd(task.gate, task), Way(task, decisions)
    here = review_rule(task.gate, task.stage)
    found = []
    for number, ((at, rule), line) in enumerate(zip(way.rules, way.lines, strict=True), 1):
        if rule != here and at < task.stage:
            found.append(Desk(number, line.name, line.sentence, state="passed"))
            continue
        there, state = (task, "here") if rule == here else (_at(task, at), "later")
        found.append(replace(_desk(there, rule, crowd, decisions, number), state=state))
    order = ("here", "later", "passed")
    return sorted(found, key=lambda desk: order.index(desk.state))


def _at(task: ApprovalTask, stage: int) -> ApprovalTask:
    """`task` as it comes to a stage: no place is given there, and nobody is on it."""
    there = copy(task)
    there.stage, there.settles_at = stage, None
    there.has_places = there.is_narrowed = False
    there.claimed_by = there.escalated_at = None
    return there


def _desk(
    task: ApprovalTask,
    rule: ReviewRule,
    crowd: Crowd,
    decisions: Sequence[Decision],
    number: int,
) -> Desk:
    rows = [row for user in crowd.users.values() if (row := _row(task, user, crowd, decisions))]
    rows.sort(key=lambda row: list(TONES).index(row.state))
    found = outlook(task, crowd, decisions)
    stands = found.stands
    needs = f"Needs {needed(rule)}."
    if stands.got:
        needs += f" It has {stands.got} of {stands.required}."
    elif rule.needs == ReviewRule.Needs.MAJORITY:
        needs += f" Now that is {stands.required}."
    return Desk(
        number=number,
        name="First reviewers" if rule is task.gate else str(rule),
        needs=needs,
        verdict=_verdict(found, [row.user for row in rows if row.state == "away"]),
        tone="" if found.can_pass and not found.alone else "soon" if found.can_pass else "reject",
        rows=rows[:LISTED],
        hidden=max(len(rows) - LISTED, 0),
    )


def _verdict(found: Outlook, away: Sequence[User]) -> str:
    """Whether it can be passed, and who could not be away."""
    if not found.can_pass:
        absent = f" while {_names(away, 'and')} {'is' if len(away) == 1 else 'are'} away"
        more = f"{found.lacking} approval{pluralize(found.lacking)}"
        return f"Nobody can pass this{absent if away else ''}: {more} would be missing."
    if not found.alone:
        return "Any one of them may be away: the others can pass this."
    return f"If {_names(found.alone, 'or')} is away, nobody can pass this."


def _names(users: Sequence[User], last: str) -> str:
    names = [user.display_name for user in users[:5]]
    if len(users) > 5:
        names.append(f"{len(users) - 5} more")
    return get_text_list(names, last)


def _row(task: ApprovalTask, user: User, crowd: Crowd, decisions: Sequence[Decision]) -> Row | None:
    """None for whoever has nothing to do with this stage."""
    person = crowd.person(user, crowd.away)
    said = next((one for one in decisions if one.reviewer_id == user.pk), None)
    if said and said.stage == task.stage:
        word = "Has approved" if said.verdict == Verdict.APPROVE else "Has rejected"
        return Row(user, "done", word, _for(said.on_behalf_of))
    seat, why_not = _seat(task, person) if user.is_active else (None, "")
    if seat is None:
        return _cannot(task, person, decisions, why_not)
    if user.pk in crowd.away:
        return _away(task, user, crowd, seat)
    other = claimer(task)
    holder = None if seat.holder == user.pk else crowd.users.get(seat.holder)
    if other and other.pk == user.pk:
        return Row(user, "can", "Is on it", _for(holder))
    note = f"once {other} lets go of it, or by taking it over" if other else _for(holder)
    return Row(user, "can", "Can decide", note)


def _seat(task: ApprovalTask, person: Person) -> tuple[Seat | None, str]:
    try:
        return check_has_seat(task, person), ""
    except CannotDecide as reason:
        return None, str(reason)


def _away(task: ApprovalTask, user: User, crowd: Crowd, seat: Seat) -> Row:
    until = user.away_until
    word = f"Away until {times.clock(until)}" if until else "Away"
    delegate = user.delegate and crowd.users.get(user.delegate.pk)
    if delegate and delegate.is_active and delegate.pk not in crowd.away:
        seats = crowd.person(delegate, crowd.away).seats_at(task, standing_of(task))
        if seat.holder in {one.holder for one in seats}:
            return Row(user, "away", word, f"{delegate.display_name} stands in")
    return Row(user, "away", word, "nobody stands in")


def _cannot(
    task: ApprovalTask, person: Person, decisions: Sequence[Decision], why_not: str
) -> Row | None:
    """In the words of somebody else: the rule's own are for the person themselves."""
    user = person.user
    at = (task.gate_id, task.stage)
    sits = any((one.gate, one.stage, one.user) == (*at, user.pk) for one in person.memberships)
    places = places_of(task) if task.has_places else []
    handed = next(
        (
            place
            for place in places
            if place.why == Place.Why.HANDED and place.is_open and place.stands_for_id == user.pk
        ),
        None,
    )
    by = next((one for one in decisions if one.on_behalf_of_id == user.pk), None)
    if handed:
        return Row(user, "not", f"Handed this to {handed.user}")
    if by and by.stage == task.stage:
        return Row(user, "done", "Is decided for", f"by {by.reviewer.display_name}")
    if not sits:
        return None
    if not user.is_active:
        return Row(user, "not", "Has no account any more")
    if task.gate.exclude_requester and is_requester(user, task):
        return Row(user, "not", "Requested this")
    if any(one.reviewer_id == user.pk for one in decisions):
        return Row(user, "done", "Has decided an earlier stage", "and everybody decides once")
    if task.is_narrowed:
        return Row(user, "not", "Is not asked", "the message names others")
    return Row(user, "not", "Can't decide", "" if why_not.startswith("You ") else why_not)


def _for(holder: User | None) -> str:
    return f"in {holder.display_name}'s place" if holder else ""
