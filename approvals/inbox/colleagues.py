"""The door, what others have to do with a task: who is on it, whose place it is, what was asked.

Reads only; a constant number of queries.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

from django.utils.safestring import SafeString

from approvals.decisions.ask import can_ask
from approvals.decisions.claim import can_be_claimed
from approvals.decisions.hand_over import can_hand_over, handed_away
from approvals.decisions.rules import check_has_seat, claimer
from approvals.errors import CannotDecide
from approvals.inbox import times
from approvals.models import ApprovalTask, Place, Question, User
from approvals.people.eligibility import Person, Seat
from approvals.states import TaskStatus

SHOWN = 10  # open questions above the list


@dataclass(frozen=True, slots=True)
class QuestionLine:
    question: Question
    when: SafeString
    answered: SafeString | str
    is_mine_to_answer: bool


class Together:
    """What the template asks. `seat`: the place from which this person would decide, if any."""

    def __init__(
        self, task: ApprovalTask, person: Person, seat: Seat | None, now: dt.datetime
    ) -> None:
        self.task, self.person, self.seat, self.now = task, person, seat, now
        self.claimer: User | None = claimer(task) if task.is_pending else None

    # --- whose place ---

    @property
    def whose(self) -> str:
        """In whose place one decides, as a sentence; blank: in one's own."""
        if self.seat is None or self.seat.holder == self.person.user.pk:
            return ""
        principal = self.person.principals.get(self.seat.holder)
        if principal is None:
            giver = User.objects.get(pk=self.seat.holder)
            return f"{giver} handed this to you: you decide in their place."
        until = f" until {times.clock(principal.away_until)}" if principal.away_until else ""
        return f"You stand in for {principal}{until}: you decide in their place."

    @cached_property
    def given_away(self) -> Place | None:
        """The place that one could take back."""
        if not self.task.is_pending or self.task.settles_at:
            return None
        place = handed_away(self.task, self.person)
        used = self.task.decisions.standing().filter(
            stage=self.task.stage, on_behalf_of=place.stands_for_id if place else None
        )
        return place if place and not used.exists() else None

    # --- who is on it ---

    @property
    def since(self) -> SafeString | str:
        at = self.task.claimed_at
        return times.tag(at, times.clock(at)) if at else ""

    @property
    def is_on_it(self) -> bool:
        return self.claimer == self.person.user

    @property
    def can_claim(self) -> bool:
        return self.seat is not None and self.claimer is None and can_be_claimed(self.task)

    @cached_property
    def can_take_over(self) -> bool:
        if self.claimer is None or self.is_on_it:
            return False
        try:
            check_has_seat(self.task, self.person)
        except CannotDecide:
            return False
        return True

    # --- what one may do ---

    @property
    def can_hand_over(self) -> bool:
        return self.seat is not None and can_hand_over(self.task)

    @property
    def can_ask(self) -> bool:
        return can_ask(self.task, self.person)

    @property
    def has_actions(self) -> bool:
        return self.can_claim or self.can_hand_over or self.can_ask

    # --- questions ---

    @cached_property
    def questions(self) -> list[QuestionLine]:
        asked = self.task.questions.select_related("asked", "asked_by")
        return [
            QuestionLine(
                one,
                times.age_tag(one.asked_at, self.now),
                times.age_tag(one.answered_at, self.now) if one.answered_at else "",
                one.asked_id == self.person.user.pk
                and one.answered_at is None
                and self.task.is_pending,
            )
            for one in asked
        ]


def open_questions(user: User) -> list[Question]:
    """What this person was asked and has not answered, oldest first."""
    waiting = Question.objects.filter(
        asked=user, answered_at=None, task__status=TaskStatus.PENDING
    ).select_related("task", "asked_by")
    named = ("asked_by__first_name", "asked_by__last_name", "asked_by__username")
    return list(waiting.only("text", "task__title", *named)[:SHOWN])
