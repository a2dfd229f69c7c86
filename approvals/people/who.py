"""WHO could pass a stage, and who if one of them were away: tried out by the rules themselves.

Reads a fixed number of rows' kinds for all people at once, and decides nothing: approvals are
thought up, given in turn by everybody who is there, and tallied.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Q

from approvals.models import ApprovalTask, Decision, Gate, Place, User
from approvals.people.eligibility import DESKS, STANDS_IN_FOR, Person, is_requester, places_of
from approvals.people.quorum import Tally, tally
from approvals.people.roster import review_rule, rule_of, seats_at, voices_of
from approvals.states import TaskStatus, Verdict

# For many people at once, and as if everybody who has a delegate were away: who really is, and
# who might be, is for `Crowd.persons` to say.
_ANYBODYS_DESKS = DESKS.replace(
    STANDS_IN_FOR,
    " SELECT id FROM approvals_user WHERE delegate_id = %(me)s AND is_active",
).replace("%(me)s", "m.id")
_EVERYBODYS_DESKS = f"""
    SELECT m.id, d.* FROM unnest(%(people)s::bigint[]) AS m(id)
     CROSS JOIN LATERAL ({_ANYBODYS_DESKS}) d
     WHERE d.gate_id = %(gate)s OR d.gate_id IS NULL"""  # noqa: S608 - constants

_NAMED = """
    SELECT user_id FROM approvals_gate_users WHERE gate_id = %(gate)s
     UNION
    SELECT ug.user_id FROM approvals_gate_groups gg
      JOIN approvals_user_groups ug ON ug.group_id = gg.group_id WHERE gg.gate_id = %(gate)s
     UNION
    SELECT su.user_id FROM approvals_stage_users su
      JOIN approvals_stage s ON s.id = su.stage_id WHERE s.gate_id = %(gate)s
     UNION
    SELECT ug.user_id FROM approvals_stage_groups sg
      JOIN approvals_stage s ON s.id = sg.stage_id
      JOIN approvals_user_groups ug ON ug.group_id = sg.group_id WHERE s.gate_id = %(gate)s
     UNION
    SELECT id FROM approvals_user WHERE id = ANY(%(more)s)"""


class Crowd:
    """Everybody who might decide at a gate, or one task of it: whoever is named, was given a place,
    or stands in for one of those. Four queries."""

    def __init__(self, gate: Gate, task: ApprovalTask | None = None) -> None:
        self.gate = gate
        places = places_of(task) if task and task.has_places else []
        teams = [place.group_id for place in places if place.why == Place.Why.ESCALATED]
        more = [place.user_id for place in places if place.user_id]
        with connection.cursor() as cursor:
            cursor.execute(_NAMED, {"gate": gate.pk, "more": more})
            named = [pk for (pk,) in cursor.fetchall()]
        wanted = Q(pk__in=named) | Q(stands_in_for__in=named) | Q(groups__in=teams)
        found = User.objects.filter(wanted).distinct().order_by("first_name", "username")
        self.users = {user.pk: user for user in found.select_related("delegate")}
        self._desks: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        with connection.cursor() as cursor:
            cursor.execute(_EVERYBODYS_DESKS, {"gate": gate.pk, "people": list(self.users)})
            for person, *desk in cursor.fetchall():
                self._desks[person].append(tuple(desk))
        self._teams: dict[int, set[int]] = defaultdict(set)
        for user, team in User.groups.through.objects.filter(
            user__in=self.users, group__in=teams
        ).values_list("user_id", "group_id"):
            self._teams[user].add(team)

    @property
    def away(self) -> set[int]:
        return {pk for pk, user in self.users.items() if user.is_away}

    def person(self, user: User, away: Collection[int]) -> Person:
        """`user` as they would be if those of `away` were, and nobody else."""
        person = Person(user)
        desks = self._desks[user.pk]
        person._desks = [desk for desk in desks if desk[2] == user.pk or desk[2] in away]
        person.principals = {
            desk[2]: self.users[desk[2]]
            for desk in person._desks
            if desk[0] is None and desk[2] in self.users
        }
        person.group_ids = frozenset(self._teams[user.pk])
        return person

    def there(self, away: Collection[int]) -> list[Person]:
        """Whoever could press a button: with an account, and not away."""
        return [
            self.person(user, away)
            for pk, user in self.users.items()
            if user.is_active and pk not in away
        ]


@dataclass(frozen=True, slots=True)
class Outlook:
    """Whether those who are there can pass a stage, and by whose absence they could not.

    `stands`: the tally so far; `lacking`: how many approvals would still be missing after all of
    theirs.
    """

    stands: Tally
    lacking: int
    alone: list[User]

    @property
    def can_pass(self) -> bool:
        return not self.lacking


def outlook(task: ApprovalTask, crowd: Crowd, decisions: Sequence[Decision]) -> Outlook:
    """For the stage at which `task` is (it may be one that is thought up) after `decisions`."""
    rule = rule_of(review_rule(task.gate, task.stage))
    seats = cache(lambda: seats_at(task, decisions))

    def count(given: Sequence[Decision]) -> Tally:
        return tally(rule, voices_of(given, task.stage), seats)

    away = crowd.away
    ended, gave = _after_all(task, crowd.there(away), decisions, count)
    lacking = 0 if ended.outcome == TaskStatus.APPROVED else max(ended.required - ended.got, 1)
    alone = []
    # Without anybody else's approval it passes just the same.
    for user in gave if not lacking else ():
        without = away | {user.pk}
        if _after_all(task, crowd.there(without), decisions, count)[0].outcome != ended.outcome:
            alone.append(user)
    return Outlook(count(decisions), lacking, alone)


def _after_all(
    task: ApprovalTask,
    people: Sequence[Person],
    decisions: Sequence[Decision],
    count: Callable[[Sequence[Decision]], Tally],
) -> tuple[Tally, list[User]]:
    """The tally once all `people` approved who can, one after the other until that suffices; and
    whose approvals those were. Who has the fewest places goes first, as few as those are."""
    given = list(decisions)
    said = {one.reviewer_id for one in decisions}
    chosen = [one.choice for one in decisions if one.stage == task.stage]
    choice = max(chosen, key=chosen.count, default="")
    able = [
        person
        for person in people
        if person.user.pk not in said
        and not (task.gate.exclude_requester and is_requester(person.user, task))
    ]
    found, gave = count(given), []
    for person in sorted(able, key=lambda one: len(one.seats_at(task, given))):
        if found.outcome != TaskStatus.PENDING:
            break
        seats = person.seats_at(task, given)
        if not seats:
            continue
        given.append(
            Decision(
                task=task,
                reviewer=person.user,
                on_behalf_of_id=seats[0].holder if seats[0].holder != person.user.pk else None,
                for_groups=None if seats[0].groups is None else list(seats[0].groups),
                stage=task.stage,
                verdict=Verdict.APPROVE,
                choice=choice,
            )
        )
        gave.append(person.user)
        found = count(given)
    return found, gave
