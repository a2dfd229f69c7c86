"""WHO, all of them: the reviewers of a stage, and what its rule makes of their number."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Set
from dataclasses import replace

from django.db import connection
from django.template.defaultfilters import pluralize

from approvals.models import ApprovalTask, Decision, Gate, Place, ReviewRule, Stage
from approvals.people.quorum import ALL, Needs, Rule, Seats, Voice, required_of

_MEMBERS = """
    SELECT n.user_id, n.group_id
      FROM (SELECT user_id, NULL::integer AS group_id
              FROM approvals_{noun}_users WHERE {noun}_id = %(rule)s
             UNION ALL
            SELECT ug.user_id, gg.group_id
              FROM approvals_{noun}_groups gg
              JOIN approvals_user_groups ug ON ug.group_id = gg.group_id
             WHERE gg.{noun}_id = %(rule)s) n
      JOIN approvals_user u ON u.id = n.user_id AND u.is_active"""

Roster = dict[int, frozenset[int]]  # user id -> ids of the teams by which they are named


def review_rule(gate: Gate, stage: int) -> ReviewRule:
    """The gate itself, or its later stage; the last there is, if that one was deleted."""
    if not stage:
        return gate
    return gate.stages.filter(position__lte=stage).last() or gate


def next_stage(gate: Gate, stage: int) -> Stage | None:
    return gate.stages.filter(position__gt=stage).first()


def rule_of(review: ReviewRule) -> Rule:
    each = review.needs == Needs.EACH_GROUP
    groups = frozenset(review.groups.values_list("pk", flat=True)) if each else frozenset()
    return Rule(review.needs, review.quorum, review.veto, groups)


def members(review: ReviewRule) -> Roster:
    """The active users whom a stage names. One query."""
    found: dict[int, set[int]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(_MEMBERS.format(noun=type(review).__name__.lower()), {"rule": review.pk})
        for user, group in cursor.fetchall():
            found[user].update([group] if group else [])
    return {user: frozenset(groups) for user, groups in found.items()}


def roster(task: ApprovalTask) -> Roster:
    """Those of them who may decide `task` at its stage: named by the message where that narrows,
    and without the requester where the gate excludes them. Whoever was handed a place sits on that
    of the giver, who is the one counted."""
    found = members(review_rule(task.gate, task.stage))
    if task.is_narrowed:
        named = task.places.filter(why=Place.Why.NAMED, is_open=True)
        pairs = named.values_list("user_id", "group_id")
        users, teams = {user for user, _ in pairs}, {group for _, group in pairs}
        found = narrowed(found, users, teams)
    if task.gate.exclude_requester:
        found.pop(task.requester_id or 0, None)
    return found


def narrowed(found: Roster, users: Set[int], teams: Set[int]) -> Roster:
    """Those of `found` who are named, by themselves or by a team."""
    return {pk: groups for pk, groups in found.items() if pk in users or groups & teams}


def seats_of(found: Roster) -> Seats:
    return Seats(len(found), Counter(group for groups in found.values() for group in groups))


def seats_at(
    task: ApprovalTask, decisions: Iterable[Decision], found: Roster | None = None
) -> Seats:
    """Who may decide `task` at its stage after its standing `decisions`. Where others have joined
    them, nothing is lost before all is said. `found`: its `roster`, if that was read before."""
    if found is None:
        found = roster(task)
    outside: Counter[int] = Counter()
    for one in decisions:
        if one.stage != task.stage:
            continue
        own = found.get(one.on_behalf_of_id or one.reviewer_id)
        counted = seats_of(found).of_group if one.for_groups is None else one.for_groups
        outside.update([ALL] if own is None else [])
        outside.update(group for group in counted if own is None or group not in own)
    return replace(seats_of(found), is_open=task.escalated_at is not None, outside=outside)


def voices_of(decisions: Iterable[Decision], stage: int) -> list[Voice]:
    """What the standing `decisions` of a task say at `stage`."""
    return [
        Voice(
            one.verdict,
            one.choice,
            None if one.for_groups is None else frozenset(one.for_groups),
        )
        for one in decisions
        if one.stage == stage
    ]


def out_of_reach(gate: Gate) -> str:
    """Why nobody can pass `gate`, or blank."""
    return next(filter(None, map(_problem, _stages(gate))), "")


def _stages(gate: Gate) -> Iterable[tuple[Gate, ReviewRule]]:
    return [(gate, gate), *((gate, stage) for stage in gate.stages.all())]


def _problem(at: tuple[Gate, ReviewRule]) -> str:
    gate, review = at
    seats = seats_of(members(review))
    where = f"“{gate}”" if review is gate else f"“{gate}”, stage “{review}”,"
    if review.needs == Needs.EACH_GROUP:
        for group in review.groups.all():
            able = seats.of_group.get(group.pk, 0)
            if able < review.quorum:
                return (
                    f"{where} can't be passed: it requires {_approvals(review.quorum)} of "
                    f"“{group}”, which has {_reviewers(able)}. Add members."
                )
        return "" if seats.total else f"{where} can't be passed: it names no team."
    needed = required_of(rule_of(review), lambda: seats)
    if seats.total < needed:
        return (
            f"{where} can't be passed: it requires {_approvals(needed)} and has "
            f"{_reviewers(seats.total)}. Add a team or reviewers."
        )
    if gate.exclude_requester and review.needs == Needs.COUNT and seats.total == needed:
        return (
            f"{where} can't be passed when a reviewer is the requester: then {seats.total - 1} of "
            f"the {seats.total} required approvals can be given. Add one more reviewer."
        )
    return ""


def _approvals(number: int) -> str:
    return f"{number} approval{pluralize(number)}"


def _reviewers(number: int) -> str:
    return f"{number} active reviewer{pluralize(number)}"
