"""Random gates, walked through by random people: after each step the task is as a model says.

The model is as small as the documentation: it counts again from all that was said, and knows no
rows, seats or transactions of ours.
"""

import itertools
from dataclasses import dataclass, field

import pytest
from django.contrib.auth.models import Group
from django.db.models.functions import Now
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test as walk,
)

from approvals.decisions.decide import decide
from approvals.decisions.undo import make_final_due, undo
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, AuditEvent, Callback, Decision, Gate, Stage, User
from approvals.states import Verdict
from tests.conftest import person
from tests.factories import GateFactory, UserFactory, task_for

PEOPLE = ("amy", "ben", "cat", "dan", "eve")
TEAMS = {"Legal": {"amy", "ben"}, "Money": {"ben", "cat", "dan"}}
CHOICES = [{"key": "now", "label": "Now"}, {"key": "later", "label": "Later"}]
_numbers = itertools.count()

people = st.sampled_from(PEOPLE)


@dataclass(frozen=True)
class Desk:
    """A stage: who is named there, and what passes it."""

    teams: frozenset[str]
    users: frozenset[str]
    needs: str
    quorum: int
    veto: bool

    @property
    def seats(self) -> dict[str, set[str]]:
        """Everybody there, and the teams of each."""
        named = self.users.union(*(TEAMS[team] for team in self.teams))
        return {who: {team for team in self.teams if who in TEAMS[team]} for who in named}


desks = st.builds(
    Desk,
    teams=st.frozensets(st.sampled_from(sorted(TEAMS)), min_size=1),
    users=st.frozensets(people, max_size=2),
    needs=st.sampled_from(["count", "each", "majority"]),
    quorum=st.integers(1, 3),
    veto=st.booleans(),
)


@dataclass
class Model:
    desks: list[Desk]
    requester: str  # blank where the gate lets them decide
    holds: bool
    stage: int = 0
    # (stage, who, what): “now”, “later” or, of who rejects, blank.
    said: list[tuple[int, str, str]] = field(default_factory=list)
    outcome: str = "pending"
    held_by: str = ""

    @property
    def here(self) -> list[tuple[str, str]]:
        return [(who, what) for at, who, what in self.said if at == self.stage]

    @property
    def able(self) -> set[str]:
        """Each decides once about a task, at the stage at which it is, and not their own."""
        if self.outcome != "pending" or self.held_by:
            return set()
        gone = {who for _, who, _ in self.said} | {self.requester}
        return set(self.desks[self.stage].seats) - gone

    def enough(self, of: set[str], at: Desk, seats: dict[str, set[str]]) -> bool:
        if at.needs == "each":
            return all(sum(team in seats[who] for who in of) >= at.quorum for team in at.teams)
        return len(of) * 2 > len(seats) if at.needs == "majority" else len(of) >= at.quorum

    def verdict(self) -> str:
        """Of what was said at this stage, by its rule."""
        at = self.desks[self.stage]
        seats = {who: of for who, of in at.seats.items() if who != self.requester}
        by = {what: {who for who, said in self.here if said == what} for _, what in self.here}
        rejecting = by.pop("", set())
        if rejecting and at.veto:
            return "rejected"
        if any(self.enough(of, at, seats) for of in by.values()):
            return "approved"
        silent = seats.keys() - {who for who, _ in self.here}
        could = any(self.enough(of | silent, at, seats) for of in (*by.values(), set()))
        was_in_reach = self.enough(set(seats), at, seats)
        if (rejecting or len(by) > 1) and was_in_reach and not could:
            return "rejected"
        return "pending"

    def says(self, who: str, what: str) -> None:
        self.said.append((self.stage, who, what))
        found = self.verdict()
        if found == "approved" and self.stage + 1 < len(self.desks):
            self.stage += 1
        elif found != "pending" and self.holds:
            self.held_by = who
        else:
            self.outcome = found


class Walk(RuleBasedStateMachine):
    @initialize(
        desks=st.lists(desks, min_size=1, max_size=3),
        requester=people,
        excludes=st.booleans(),
        holds=st.booleans(),
    )
    def a_task_comes(
        self, desks: list[Desk], requester: str, *, excludes: bool, holds: bool
    ) -> None:
        self.users = {user.username: user for user in User.objects.filter(username__in=PEOPLE)}
        self.model = Model(desks, requester if excludes else "", holds)
        gate = GateFactory(
            choices=CHOICES,
            exclude_requester=excludes,
            undo_seconds=60 * holds,
            reason=Gate.Reason.NEVER,
        )
        stages = [
            Stage.objects.create(gate=gate, position=10 * at, name=f"Stage {at}")
            for at in range(1, len(desks))
        ]
        for review, desk in zip([gate, *stages], desks, strict=True):
            review.needs, review.quorum, review.veto = desk.needs, desk.quorum, desk.veto
            review.save()
            review.groups.set(Group.objects.filter(name__in=desk.teams))
            review.users.set(self.users[name] for name in desk.users)
        self.gate = gate
        self.task = task_for(gate, requestedBy=requester)

    @rule(who=people, what=st.sampled_from(["now", "now", "later", ""]))
    def somebody_decides(self, who: str, what: str) -> None:
        verdict = Verdict.APPROVE if what else Verdict.REJECT
        me, before = person(self.users[who]), self.rows()
        may = who in self.model.able
        try:
            decide(self.task.pk, me, verdict, choice=what, via=Decision.Via.INBOX)
        except CannotDecide:
            assert not may
            assert self.rows() == before
            return
        assert may
        self.model.says(who, what)

    @rule(who=people)
    def somebody_undoes(self, who: str) -> None:
        before = self.rows()
        try:
            undo(self.task.pk, self.users[who])
        except CannotDecide:
            assert who != self.model.held_by
            assert self.rows() == before
            return
        assert who == self.model.held_by
        self.model.said.pop()
        self.model.held_by = ""

    @rule()
    def time_passes(self) -> None:
        ApprovalTask.objects.filter(settles_at__isnull=False).update(settles_at=Now())
        make_final_due()
        if self.model.held_by:
            self.model.held_by, self.model.outcome = "", self.model.verdict()

    def rows(self) -> tuple[int, ...]:
        return Decision.objects.count(), AuditEvent.objects.count(), Callback.objects.count()

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        model, task = self.model, ApprovalTask.objects.get(pk=self.task.pk)
        positions = [0, *self.gate.stages.values_list("position", flat=True)]
        assert (task.status, task.stage) == (model.outcome, positions[model.stage])
        assert bool(task.settles_at) == bool(model.held_by)
        assert Callback.objects.filter(task=task).count() == (model.outcome != "pending")
        standing = task.decisions.filter(withdrawn_at=None).order_by("decided_at", "id")
        assert [
            (positions.index(stage), who, choice)
            for stage, who, choice in standing.values_list("stage", "reviewer__username", "choice")
        ] == model.said
        if model.outcome == "approved":
            assert task.settled_choice == model.said[-1][2]
        if model.outcome == "pending" and not model.held_by:
            assert task.approvals < task.required


@pytest.mark.django_db
def test_what_people_decide_leads_where_the_model_says():
    for name in TEAMS:
        Group.objects.create(name=name)
    for name in PEOPLE:
        UserFactory(username=name, groups=[team for team in TEAMS if name in TEAMS[team]])
    walk(Walk, settings=settings(max_examples=40, stateful_step_count=14, deadline=None))
