"""The list and the rule say the same: what waits for somebody is what they can decide."""

import datetime as dt
import random
from collections.abc import Sequence
from typing import TypeVar

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from approvals.decisions.decide import decide
from approvals.decisions.rules import can_decide, check_can_decide
from approvals.inbox.address import Address, Tab
from approvals.inbox.queries import overview, page
from approvals.models import ApprovalTask, Decision, Gate, Place, Stage, User
from approvals.states import Verdict
from tests.conftest import TEAM, person
from tests.factories import GateFactory, UserFactory, task_for

T = TypeVar("T")
DAY = dt.timedelta(days=1)
TEAMS = ("Legal", "Security", "Finance")


def _send_away(user: User, delegate: User | None = None) -> None:
    User.objects.filter(pk=user.pk).update(away_from=timezone.now() - DAY, delegate=delegate)


class World:
    """People, gates with two stages and tasks, drawn by one seed."""

    def __init__(self, seed: int, *, is_plain: bool = False) -> None:
        """`is_plain`: nobody is away, and no task has places of its own."""
        self.draw = random.Random(seed)
        self.is_plain = is_plain
        for team in TEAMS:
            Group.objects.get_or_create(name=team)
        self.people = [UserFactory(groups=self._some(TEAMS, 2)) for _ in range(7)]
        for user in self._some(self.people, 0 if is_plain else 4):
            _send_away(user, self.draw.choice([other for other in self.people if other != user]))
        gone = self.draw.choice(self.people)
        User.objects.filter(pk=gone.pk).update(is_active=False)
        for hand_over in Gate.HandOver.values:
            self._gate(hand_over)
        self.tasks = list(ApprovalTask.objects.select_related("gate", "claimed_by").order_by("id"))

    def _some(self, of: Sequence[T], most: int) -> list[T]:
        return self.draw.sample(list(of), self.draw.randint(0, most))

    def _chance(self, one_in: int) -> bool:
        return self.draw.randrange(one_in) == 0

    def _gate(self, hand_over: str) -> None:
        gate = GateFactory(
            groups=self._some(TEAMS, 2),
            users=self._some(self.people, 2),
            hand_over=hand_over,
            exclude_requester=self._chance(2),
        )
        second = Stage.objects.create(gate=gate, position=1, name="Second")
        second.users.set(self._some(self.people, 2))
        second.groups.set(Group.objects.filter(name__in=self._some(TEAMS, 1)))
        asked_by = self.draw.choice(self.people)
        for _ in range(14):
            self._dress(task_for(gate, requestedBy=asked_by.email))

    def _dress(self, task: ApprovalTask) -> None:
        task.stage = int(self._chance(3))
        task.claimed_by = self.draw.choice(self.people) if self._chance(4) else None
        task.settles_at = timezone.now() + DAY if self._chance(12) else None
        if not self.is_plain:
            self._give_places(task)
        self._decide(task)
        task.save()

    def _give_places(self, task: ApprovalTask) -> None:
        if self._chance(3):
            task.is_narrowed = task.has_places = True
            for user in self._some(self.people, 2):
                Place.objects.create(task=task, why=Place.Why.NAMED, user=user)
            for group in Group.objects.filter(name__in=self._some(TEAMS, 1)):
                Place.objects.create(task=task, why=Place.Why.NAMED, group=group)
        if self._chance(3):
            task.has_places = True
            for giver in self._some(self.people, 2):
                self._place(task, giver)
        if self._chance(4):
            task.has_places = True
            group = Group.objects.get(name=self.draw.choice(TEAMS))
            Place.objects.create(task=task, why=Place.Why.ESCALATED, group=group)

    def _decide(self, task: ApprovalTask) -> None:
        for reviewer in self._some(self.people, 2):
            others = [None, None, *(one for one in self.people if one != reviewer)]
            Decision.objects.create(
                task=task,
                reviewer=reviewer,
                on_behalf_of=self.draw.choice(others),
                stage=self.draw.randint(0, task.stage),
                verdict="approve",
                via=Decision.Via.INBOX,
                withdrawn_at=timezone.now() if self._chance(4) else None,
            )

    def _place(self, task: ApprovalTask, giver: User) -> None:
        Place.objects.create(
            task=task,
            why=Place.Why.HANDED,
            stands_for=giver,
            user=self.draw.choice([one for one in self.people if one != giver]),
            for_groups=self.draw.choice([None, []]),
            is_open=not self._chance(4),
        )


@pytest.mark.parametrize(("seed", "is_plain"), [*((n, False) for n in range(6)), (6, True)])
def test_what_waits_for_somebody_is_what_they_can_decide(
    db: None, seed: int, is_plain: bool
) -> None:
    world = World(seed, is_plain=is_plain)
    seen = 0
    for user in User.objects.filter(is_active=True):
        me = person(user)
        mine = [row.id for row in page(me, Address(), limit=999)]
        team = [row.id for row in page(me, Address(tab=Tab.TEAM), limit=999)]
        can = {str(task.pk) for task in _fresh(world) if can_decide(task, me)}
        can_see = {str(task.pk) for task in _fresh(world) if me.can_see(task)}
        assert len(mine) == len(set(mine)), user
        assert set(mine) == can, (user, _why(world, me, set(mine) ^ can))
        assert len(team) == len(set(team)), user
        assert set(mine) <= set(team) <= can_see, user
        counts = overview(me).counts
        assert counts[Tab.MINE] == len(mine), user
        assert counts[Tab.TEAM] == len(team), user
        seen += len(mine)
    assert seen > 10


def test_a_settled_task_is_counted_once_for_whoever_sits_at_several_stages(alice: User) -> None:
    gate = GateFactory(groups=[TEAM])
    for position in (1, 2):
        Stage.objects.create(gate=gate, position=position, name=f"{position}").users.set([alice])
    decide(task_for(gate).pk, person(alice), Verdict.REJECT, comment="No", via="inbox")
    assert overview(person(alice)).counts[Tab.DONE] == 1
    assert len(page(person(alice), Address(tab=Tab.DONE))) == 1


def _fresh(world: World) -> list[ApprovalTask]:
    for task in world.tasks:
        task.__dict__.pop("places_read", None)
    return world.tasks


def _why(world: World, me: object, ids: set[str]) -> list[tuple[str, object]]:
    told = []
    for task in _fresh(world):
        if str(task.pk) in ids:
            try:
                told.append((str(task.pk), check_can_decide(task, me)))  # type: ignore[arg-type]
            except Exception as error:
                told.append((str(task.pk), error))
    return told
