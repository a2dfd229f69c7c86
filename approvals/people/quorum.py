"""WHO: the tally of one stage. Pure, so that rules can be tried with every order of verdicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from approvals.models.review_rule import ReviewRule
from approvals.states import TaskStatus, Verdict

Needs = ReviewRule.Needs
ALL = 0  # no group has this id


@dataclass(frozen=True, slots=True)
class Rule:
    """What passes a stage. `groups` are the ids of the teams that review there."""

    needs: str = Needs.COUNT
    quorum: int = 1
    veto: bool = True
    groups: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Voice:
    """What one reviewer said, and for which teams it counts; None: for all of them."""

    verdict: str
    choice: str = ""
    groups: frozenset[int] | None = frozenset()

    def counts_for(self, group: int) -> bool:
        return self.groups is None or group in self.groups


@dataclass(frozen=True, slots=True)
class Seats:
    """How many may decide at the stage, those who have included; and how many of each team."""

    total: int
    of_group: Mapping[int, int] = field(default_factory=dict)
    is_open: bool = False  # others than these may decide too
    # Voices from none of these: who gave them has lost their place since. By group; `ALL` in all.
    outside: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tally:
    """Where a stage stands: `got` of the `required` approvals, or its outcome and choice."""

    outcome: TaskStatus  # APPROVED, REJECTED or still PENDING
    got: int
    required: int
    choice: str = ""


def tally(rule: Rule, voices: Sequence[Voice], seats: Callable[[], Seats]) -> Tally:
    """What the voices so far make of a stage.

    - Approvals add up per choice: two who chose otherwise have not approved the same.
    - With a veto one rejection rejects. Without, a stage is rejected once no choice can reach
      what it needs any more; so it is, too, when choices have split those who could agree.
    - A stage that had too few reviewers from the start waits, for somebody to add them.

    `seats` is asked only where the rule depends on who else may decide.
    """
    choices = list(dict.fromkeys(v.choice for v in voices if v.verdict == Verdict.APPROVE))
    rejections = [voice for voice in voices if voice.verdict == Verdict.REJECT]
    needed = _needed(rule, seats)
    best = max(choices, key=lambda one: _got(rule, _for(voices, one)), default="")
    got, required = _got(rule, _for(voices, best)), sum(needed.values())

    if rejections and rule.veto:
        return Tally(TaskStatus.REJECTED, got, required, rejections[-1].choice)
    for choice in choices:
        if _passes(rule, _for(voices, choice), needed):
            return Tally(TaskStatus.APPROVED, got, required, choice)
    if (rejections or len(choices) > 1) and _is_lost(rule, voices, choices, needed, seats()):
        said = rejections[-1].choice if rejections else ""
        return Tally(TaskStatus.REJECTED, got, required, said)
    return Tally(TaskStatus.PENDING, got, required)


def required_of(rule: Rule, seats: Callable[[], Seats]) -> int:
    """How many approvals pass the stage."""
    return sum(_needed(rule, seats).values())


def _needed(rule: Rule, seats: Callable[[], Seats]) -> dict[int, int]:
    """The approvals needed, by group where each counts by itself."""
    if rule.needs == Needs.MAJORITY:
        return {ALL: seats().total // 2 + 1}
    if rule.needs == Needs.EACH_GROUP and rule.groups:
        return dict.fromkeys(rule.groups, rule.quorum)
    return {ALL: rule.quorum}


def _for(voices: Sequence[Voice], choice: str | None) -> list[Voice]:
    return [v for v in voices if v.verdict == Verdict.APPROVE and v.choice == choice]


def _count(voices: Sequence[Voice], group: int) -> int:
    return sum(group == ALL or voice.counts_for(group) for voice in voices)


def _got(rule: Rule, approvals: Sequence[Voice]) -> int:
    if rule.needs == Needs.EACH_GROUP and rule.groups:
        return sum(min(_count(approvals, group), rule.quorum) for group in rule.groups)
    return len(approvals)


def _passes(rule: Rule, approvals: Sequence[Voice], needed: Mapping[int, int]) -> bool:
    return all(_count(approvals, group) >= number for group, number in needed.items())


def _is_lost(
    rule: Rule,
    voices: Sequence[Voice],
    choices: Sequence[str],
    needed: Mapping[int, int],
    seats: Seats,
) -> bool:
    """Whether nothing can pass any more, and could have."""
    if seats.is_open:
        return False
    size = {
        group: seats.total if group == ALL else seats.of_group.get(group, 0) for group in needed
    }
    if any(size[group] < number for group, number in needed.items()):
        return False
    left = {
        group: size[group] - _count(voices, group) + seats.outside.get(group, 0) for group in needed
    }
    return not any(
        all(
            _count(_for(voices, choice), group) + left[group] >= number
            for group, number in needed.items()
        )
        for choice in (*choices, None)  # None: one that nobody has chosen yet
    )
