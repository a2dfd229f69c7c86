"""WHO may see a task and who may decide it. Asked by pages, links, API and admin alike."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Lower

from approvals.models import ApprovalTask, Decision, Gate, Place, Question, User
from approvals.people.roles import SEE_EVERY_TASK

# Whoever has named me as their delegate and is away now.
STANDS_IN_FOR = """
    SELECT id FROM approvals_user
     WHERE delegate_id = %(me)s AND is_active AND away_from <= statement_timestamp()
       AND (away_until IS NULL OR statement_timestamp() < away_until)"""

# Every desk (a stage of a gate) that names me or somebody for whom I stand in, and as whose member.
# Arrays in place of joins with `who`: those cost more to plan than to run.
_OF_WHO = "ANY(ARRAY(SELECT id FROM who))"
DESKS = f"""
    WITH who AS (SELECT %(me)s::bigint AS id UNION {STANDS_IN_FOR}),
    team AS (SELECT user_id, group_id FROM approvals_user_groups WHERE user_id = {_OF_WHO}),
    named AS (
        SELECT gate_id, 0 AS stage, user_id, NULL::integer AS group_id
          FROM approvals_gate_users WHERE user_id = {_OF_WHO}
         UNION ALL
        SELECT gg.gate_id, 0, team.user_id, team.group_id
          FROM team JOIN approvals_gate_groups gg ON gg.group_id = team.group_id
         UNION ALL
        SELECT s.gate_id, s.position, su.user_id, NULL
          FROM approvals_stage_users su JOIN approvals_stage s ON s.id = su.stage_id
         WHERE su.user_id = {_OF_WHO}
         UNION ALL
        SELECT s.gate_id, s.position, team.user_id, team.group_id
          FROM team JOIN approvals_stage_groups sg ON sg.group_id = team.group_id
          JOIN approvals_stage s ON s.id = sg.stage_id)
    SELECT n.gate_id, n.stage, n.user_id, n.group_id, g.kind FROM named n
      JOIN approvals_gate g ON g.id = n.gate_id
     WHERE n.user_id = %(me)s OR g.hand_over = 'anybody'
        OR (g.hand_over = 'reviewers'
            AND EXISTS (SELECT FROM named own
                         WHERE own.gate_id = n.gate_id AND own.user_id = %(me)s))
     UNION ALL
    SELECT NULL, NULL, id, NULL, NULL FROM who WHERE id <> %(me)s"""  # noqa: S608 - constants

# What else can concern them, which for most people is nothing: `Tie`.
_TIES = f"""
     UNION ALL
    SELECT NULL, NULL, NULL, NULL, 'given'
     WHERE EXISTS (SELECT FROM approvals_place p WHERE p.is_open AND p.user_id = {_OF_WHO})
        OR EXISTS (SELECT FROM approvals_place p
                    WHERE p.is_open AND p.group_id = ANY(ARRAY(SELECT group_id FROM team)))
     UNION ALL
    SELECT NULL, NULL, NULL, NULL, 'gave'
     WHERE EXISTS (SELECT FROM approvals_place p WHERE p.is_open AND p.stands_for_id = {_OF_WHO})
     UNION ALL
    SELECT NULL, NULL, NULL, NULL, 'asked'
     WHERE EXISTS (SELECT FROM approvals_question q
                    WHERE q.asked_id = %(me)s AND q.answered_at IS NULL)"""  # noqa: S608 - constants


class Tie(StrEnum):
    """What a person may have to do with tasks beside their desks; mostly nothing."""

    GIVEN = "given"  # open places, theirs or of those for whom they stand in
    GAVE = "gave"  # such a place away
    ASKED = "asked"  # and not answered


class Membership(NamedTuple):
    """That somebody sits at a desk: by themselves, or by a team."""

    gate: int
    stage: int
    user: int
    group: int | None
    kind: str  # Gate.Kind


@dataclass(frozen=True, slots=True)
class Seat:
    """From where somebody decides: whose place it is, and for which teams that counts (None: for
    all of the stage's)."""

    holder: int
    groups: frozenset[int] | None


class Person:
    """The signed-in user, with what one request asks about them again and again."""

    def __init__(self, user: User) -> None:
        self.user = user

    @cached_property
    def _desks(self) -> list[tuple[Any, ...]]:
        """One query; a row without a gate says for whom they stand in, or without a user a tie."""
        with connection.cursor() as cursor:
            cursor.execute(DESKS + _TIES, {"me": self.user.pk})
            return cursor.fetchall()

    @cached_property
    def ties(self) -> frozenset[Tie]:
        return frozenset(Tie(kind) for *_, user, _, kind in self._desks if user is None)

    @cached_property
    def memberships(self) -> list[Membership]:
        """Of this person, and of those for whom they stand in where the gate allows it."""
        return [Membership(*row) for row in self._desks if row[0] is not None]

    @cached_property
    def gates(self) -> dict[int, str]:
        """The gates at which this person reviews, and for what each waits (`Gate.Kind`)."""
        return {one.gate: one.kind for one in self.memberships}

    @cached_property
    def principals(self) -> dict[int, User]:
        """For whom they stand in, by id; where, a gate says (`stands_in_at`)."""
        others = {user for gate, _, user, *_ in self._desks if gate is None and user}
        return User.objects.in_bulk(others) if others else {}

    @cached_property
    def group_ids(self) -> frozenset[int]:
        return frozenset(Group.objects.filter(user=self.user).values_list("pk", flat=True))

    @cached_property
    def own_gates(self) -> frozenset[int]:
        """Those that name this person, not only somebody for whom they stand in."""
        return frozenset(one.gate for one in self.memberships if one.user == self.user.pk)

    def reviews(self, task: ApprovalTask) -> bool:
        return task.gate_id in self.gates

    def stands_in_at(self, gate: Gate) -> bool:
        """Whether `gate` lets them decide for those for whom they stand in."""
        if gate.hand_over == Gate.HandOver.REVIEWERS:
            return gate.pk in self.own_gates
        return gate.hand_over == Gate.HandOver.ANYBODY

    def takes_part(self, task: ApprovalTask) -> bool:
        """Whether they review it, or a place was given to them; not who merely may look at it."""
        return self.reviews(task) or (task.has_places and bool(self._given(task)))

    def can_see(self, task: ApprovalTask) -> bool:
        return (
            self.takes_part(task)
            or self.user.has_perm(SEE_EVERY_TASK)
            or Question.objects.filter(task=task, asked=self.user).exists()
        )

    def seats_at(self, task: ApprovalTask, decisions: list[Decision]) -> list[Seat]:
        """The places from which this person could decide now, their own first.

        `decisions`: the standing ones of the task. Each place decides once at a stage, whoever
        sits on it.
        """
        places = [p for p in places_of(task) if _counts(p)] if task.has_places else []
        used = {d.on_behalf_of_id or d.reviewer_id for d in decisions if d.stage == task.stage}
        away = {place.stands_for_id for place in places if place.why == Place.Why.HANDED}
        found = [seat for seat in self._by_gate(task, places) if seat.holder not in away]
        found += [
            Seat(
                place.stands_for_id,
                None if place.for_groups is None else frozenset(place.for_groups),
            )
            for place in places
            if place.why == Place.Why.HANDED and self._sits_on(place, task) and place.stands_for_id
        ]
        escalated = [p for p in places if p.why == Place.Why.ESCALATED]
        if self.user.pk not in away and any(p.group_id in self.group_ids for p in escalated):
            found.append(Seat(self.user.pk, None))
        return [
            seat
            for seat in sorted(found, key=lambda seat: seat.holder != self.user.pk)
            if seat.holder not in used and not self._asked_for_it(task, seat.holder)
        ]

    def _by_gate(self, task: ApprovalTask, places: list[Place]) -> Iterator[Seat]:
        groups: dict[int, set[int]] = defaultdict(set)
        for one in self.memberships:
            if (one.gate, one.stage) == (task.gate_id, task.stage):
                groups[one.user].update([one.group] if one.group else [])
        named = [place for place in places if place.why == Place.Why.NAMED]
        users, teams = {p.user_id for p in named}, {p.group_id for p in named}
        for user, of in groups.items():
            if not task.is_narrowed or user in users or of & teams:
                yield Seat(user, frozenset(of))

    def _asked_for_it(self, task: ApprovalTask, holder: int) -> bool:
        """Nobody decides from the place of whoever requested, where the gate excludes them."""
        if not task.gate.exclude_requester:
            return False
        places = places_of(task) if task.has_places else []
        handed = {place.stands_for_id: place.stands_for for place in places}
        known = {**handed, **self.principals, self.user.pk: self.user}
        user = known.get(holder)
        return user is not None and is_requester(user, task)

    def _given(self, task: ApprovalTask) -> list[Place]:
        """The places of a task that name this person."""
        return [
            place
            for place in places_of(task)
            if self._sits_on(place, task) or place.group_id in self.group_ids
        ]

    def _sits_on(self, place: Place, task: ApprovalTask) -> bool:
        """Whether `place` names them, or was handed to somebody for whom they stand in."""
        if place.user_id == self.user.pk:
            return True
        handed = place.why == Place.Why.HANDED and place.is_open
        return handed and place.user_id in self.principals and self.stands_in_at(task.gate)


def places_of(task: ApprovalTask) -> list[Place]:
    """All of them, which are few; kept with the task."""
    if not hasattr(task, "places_read"):
        fetched = "places" in getattr(task, "_prefetched_objects_cache", {})
        found = task.places.all() if fetched else task.places.select_related("user", "stands_for")
        task.places_read = list(found)  # type: ignore[attr-defined]
    return task.places_read  # type: ignore[attr-defined, no-any-return]


def _counts(place: Place) -> bool:
    """Whoever has no account any more holds no place; one that was handed falls to its giver."""
    return place.is_open and (place.user is None or place.user.is_active)


def is_requester(user: User, task: ApprovalTask) -> bool:
    """Whether `user` asked for this. Messages name people by user name or email."""
    if task.requester_id:
        return task.requester_id == user.pk
    asked = task.requested_by.casefold()
    return bool(asked) and asked in (user.username.casefold(), user.email.casefold())


def find_people(names: set[str]) -> dict[str, int]:
    """User ids by case-folded user name or email, for those of `names` that are known."""
    folded = {name.casefold() for name in names if name}
    if not folded:
        return {}
    found: dict[str, int] = {}
    users = User.objects.annotate(name=Lower("username"), mail=Lower("email"))
    for pk, name, mail in users.filter(Q(name__in=folded) | Q(mail__in=folded)).values_list(
        "pk", "name", "mail"
    ):
        found[name] = pk
        if mail:
            found[mail] = pk
    return {name: pk for name, pk in found.items() if name in folded}
