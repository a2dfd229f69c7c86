"""The door, one task in full: its way through the stages of its gate, and where a decision of this
reviewer's would take it. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from django.template.defaultfilters import pluralize
from django.utils.text import get_text_list

from approvals.asked.choices import Choice
from approvals.models import ApprovalTask, Decision, Gate, ReviewRule
from approvals.people.eligibility import Person, Seat
from approvals.people.quorum import Tally, tally
from approvals.people.roster import Roster, roster, rule_of, seats_at, voices_of
from approvals.states import TaskStatus, Verdict

Needs = ReviewRule.Needs


@dataclass(frozen=True, slots=True)
class Line:
    """One stage: what became of it, or what it needs. `state`: passed, here, stopped or later."""

    name: str
    state: str
    word: str
    sentence: str


class Way:
    """Through the stages of a gate, of which its own reviewers are the first."""

    def __init__(self, task: ApprovalTask, decisions: Sequence[Decision]) -> None:
        self.task, self.decisions = task, decisions

    @cached_property
    def rules(self) -> list[tuple[int, ReviewRule]]:
        """Position and rule, in order. Two queries."""
        gate: Gate = self.task.gate
        is_job = gate.kind == Gate.Kind.JOB
        stages = [] if is_job else gate.stages.prefetch_related("groups")
        return [(0, gate), *((stage.position, stage) for stage in stages)]

    @property
    def is_told(self) -> bool:
        """Whether there is more to say than “1 of 2 approvals”."""
        return len(self.rules) > 1 or self.task.gate.needs != Needs.COUNT

    @cached_property
    def lines(self) -> list[Line]:
        return [self._line(position, rule) for position, rule in self.rules]

    def after(self, person: Person, seat: Seat | None, choice: Choice, end: str) -> str:
        """What `choice` leads to, as a sentence; `end` is what it leads to where it settles."""
        mine = Decision(
            task=self.task,
            reviewer=person.user,
            on_behalf_of_id=seat.holder if seat and seat.holder != person.user.pk else None,
            for_groups=None if seat is None or seat.groups is None else list(seat.groups),
            stage=self.task.stage,
            verdict=choice.verdict,
            choice=choice.key,
        )
        found = self._tally([*self.decisions, mine])
        if choice.is_rejecting:
            lost = found.outcome == TaskStatus.REJECTED
            return f"{end}." if lost else "it is rejected once it can’t get its approvals any more."
        if found.outcome == TaskStatus.REJECTED:
            return "it is rejected, since too many have chosen otherwise."
        following = next((rule for at, rule in self.rules if at > self.task.stage), None)
        then = f"it goes on to {following}" if following else end
        if found.outcome == TaskStatus.APPROVED:
            return f"{then}."
        missing = max(found.required - found.got, 1)
        nouns = "approval is" if missing == 1 else "approvals are"
        return f"{missing} more {nouns} needed after yours, then {then}."

    @cached_property
    def _here(self) -> ReviewRule:
        before = [rule for at, rule in self.rules if at <= self.task.stage]
        return before[-1]

    def _tally(self, decisions: Sequence[Decision]) -> Tally:
        voices = voices_of(decisions, self.task.stage)
        seats = cache(lambda: seats_at(self.task, decisions, self._roster))
        return tally(rule_of(self._here), voices, seats)

    @cached_property
    def _roster(self) -> Roster:
        return roster(self.task)

    def _line(self, position: int, rule: ReviewRule) -> Line:
        name = "First reviewers" if rule is self.task.gate else str(rule)
        if position > self.task.stage:
            return Line(name, "later", "Later", f"Needs {needed(rule)}.")
        said = [one for one in self.decisions if one.stage == position]
        approved = [one for one in said if one.verdict == Verdict.APPROVE]
        if position < self.task.stage:
            return Line(name, "passed", "Passed", _by(approved))
        if self.task.is_pending:
            return Line(name, "here", "Now", self._needs_here(rule, approved))
        if self.task.status == TaskStatus.APPROVED:
            return Line(name, "passed", "Passed", _by(approved))
        return Line(name, "stopped", "Ended here", "")

    def _needs_here(self, rule: ReviewRule, approved: Sequence[Decision]) -> str:
        if rule.needs == Needs.EACH_GROUP:
            voices = voices_of(approved, self.task.stage)
            there = [
                f"{group} has {min(sum(map(counts, voices)), rule.quorum)} of {rule.quorum}"
                if rule.quorum > 1
                else f"{group} has {'' if any(map(counts, voices)) else 'not yet '}approved"
                for group in rule.groups.all()
                for counts in [lambda voice, pk=group.pk: voice.counts_for(pk)]
            ]
            return f"Needs {needed(rule)}. {'; '.join(there)}." if there else ""
        so_far = f" {_by(approved)}" if approved else ""
        if rule.needs == Needs.MAJORITY:
            return f"Needs {self.task.required} approvals, {needed(rule)}.{so_far}"
        return f"Needs {needed(rule)}.{so_far}"


def needed(rule: ReviewRule) -> str:
    """What passes a stage, in words."""
    number = f"{rule.quorum} approval{pluralize(rule.quorum)}"
    if rule.needs == Needs.EACH_GROUP:
        teams = get_text_list(sorted(map(str, rule.groups.all())), "and")
        return f"{number} from each of {teams}"
    if rule.needs == Needs.MAJORITY:
        return "more than half of its reviewers"
    return number


def _by(approved: Sequence[Decision]) -> str:
    names = list(dict.fromkeys(one.reviewer.display_name for one in approved))
    return f"Approved by {get_text_list(names, 'and')}." if names else ""
