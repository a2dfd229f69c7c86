"""MESSAGE IN, who of a gate's reviewers may decide, where a message says so, and how many have to.
Reads only, of each gate once a batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.contrib.auth.models import Group

from approvals.errors import MessageNotUnderstood
from approvals.intake.message import IncomingMessage, Reviewers
from approvals.models import ApprovalTask, Gate, Place
from approvals.people.quorum import Needs, Rule, required_of
from approvals.people.roster import Roster, members, narrowed, rule_of, seats_of

NAMED = 5  # names that a reason repeats


@dataclass(frozen=True, slots=True)
class Narrowing:
    """By whom alone a task may be decided, and how many approvals that takes."""

    users: frozenset[int]
    groups: frozenset[int]
    required: int

    def places(self, task: ApprovalTask) -> list[Place]:
        said = [{"user_id": pk} for pk in sorted(self.users)]
        said += [{"group_id": pk} for pk in sorted(self.groups)]
        return [Place(task=task, why=Place.Why.NAMED, **one) for one in said]


@dataclass
class Narrower:
    """Of one batch: `people` are user ids by case-folded name, `teams` group ids by name."""

    people: dict[str, int]
    teams: dict[str, int]
    _rosters: dict[int, Roster] = field(default_factory=dict)
    _rules: dict[int, Rule] = field(default_factory=dict)

    def required(self, message: IncomingMessage, gate: Gate) -> int:
        """How many approvals pass the first stage, where the message narrows nobody."""
        if gate.needs == Needs.COUNT:
            return gate.quorum
        return required_of(
            self._rule(gate),
            lambda: seats_of(self._without_requester(message, gate, self._roster(gate))),
        )

    def narrow(self, message: IncomingMessage, gate: Gate) -> Narrowing | None:
        """None where the message leaves it to the gate; raises `MessageNotUnderstood`."""
        asked = message.reviewers
        if asked is None:
            return None
        if not gate.own_reviewers:
            raise _bad(
                f"“{gate.name}” does not let messages narrow its reviewers. Tick “messages may "
                "narrow the reviewers” at the gate, then replay."
            )
        found, rule = self._roster(gate), self._rule(gate)
        users, groups = self._permitted(asked, gate, found)
        left = self._without_requester(message, gate, narrowed(found, users, groups))
        needed = required_of(rule, lambda: seats_of(left))
        if not _can_pass(rule, left, needed):
            raise _bad(
                f"“{gate.name}” requires {needed} of its reviewers, and of those that the message "
                "names too few may decide. Name more of them."
            )
        return Narrowing(users, groups, needed)

    def _roster(self, gate: Gate) -> Roster:
        if gate.pk not in self._rosters:
            self._rosters[gate.pk] = members(gate)
        return self._rosters[gate.pk]

    def _rule(self, gate: Gate) -> Rule:
        if gate.pk not in self._rules:
            self._rules[gate.pk] = rule_of(gate)
        return self._rules[gate.pk]

    def _without_requester(self, message: IncomingMessage, gate: Gate, found: Roster) -> Roster:
        if not gate.exclude_requester:
            return found
        requester = self.people.get(message.requested_by.casefold(), 0)
        return {pk: groups for pk, groups in found.items() if pk != requester}

    def _permitted(
        self, asked: Reviewers, gate: Gate, found: Roster
    ) -> tuple[frozenset[int], frozenset[int]]:
        teams = frozenset().union(*found.values())
        users = {name: self.people.get(name.casefold(), 0) for name in asked.users}
        groups = {name: self.teams.get(name, 0) for name in asked.groups}
        others = [name for name, pk in users.items() if pk not in found]
        others += [name for name, pk in groups.items() if pk not in teams]
        if others:
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            names = ", ".join(name[:60] for name in others[:NAMED]) + more
            raise _bad(f"These do not review at “{gate.name}”: {names}.")
        return frozenset(users.values()), frozenset(groups.values())


def find_teams(messages: Iterable[IncomingMessage]) -> dict[str, int]:
    """Group ids by name, of those that `messages` name; no query where none does."""
    names = {name for m in messages if m.reviewers for name in m.reviewers.groups}
    found = Group.objects.filter(name__in=names) if names else Group.objects.none()
    return dict(found.values_list("name", "pk"))


def names_of_people(messages: Sequence[IncomingMessage]) -> set[str]:
    """Whom `messages` name: who asks, and who may decide."""
    asked = {name for m in messages if m.reviewers for name in m.reviewers.users}
    return {m.requested_by for m in messages} | asked


def _can_pass(rule: Rule, left: Roster, needed: int) -> bool:
    seats = seats_of(left)
    if rule.needs == Needs.EACH_GROUP and rule.groups:
        return all(seats.of_group.get(group, 0) >= rule.quorum for group in rule.groups)
    return seats.total >= max(needed, 1)


def _bad(words: str) -> MessageNotUnderstood:
    return MessageNotUnderstood("bad_reviewers", words)
