"""NOTICES, whom it concerns: for a batch of tasks at a time, in a constant number of queries.

Who may decide is `people.eligibility` again, asked the other way round: not one person's tasks,
but a task's people. A test holds the two together.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from approvals.models import ApprovalTask, Gate, Occasion
from approvals.states import TaskStatus

Kind = Occasion.Kind

# Of these, whoever is away is told by their delegate's being told.
_TO_REVIEWERS = (Kind.ARRIVED, Kind.REMINDED, Kind.RUNNING_OUT)
_DECIDED = (TaskStatus.APPROVED, TaskStatus.REJECTED)


@dataclass(frozen=True, slots=True)
class Place:
    """From where somebody could decide a task now."""

    stood_in_for: bool  # they are away, and somebody sits there meanwhile
    escalated: bool


# Seats first (whose they are, and who sits there), then who stands in, then what speaks against it.
_DECIDERS = """
    WITH t AS (
        SELECT t.id, t.gate_id, t.stage, t.is_narrowed, c.id AS claimer, t.requester_id,
               lower(t.requested_by) AS asked, g.exclude_requester, g.hand_over
          FROM approvals_approvaltask t JOIN approvals_gate g ON g.id = t.gate_id
          LEFT JOIN approvals_user c ON c.id = t.claimed_by_id AND c.is_active
           AND NOT (c.away_from IS NOT NULL AND c.away_from <= statement_timestamp()
                    AND (c.away_until IS NULL OR statement_timestamp() < c.away_until))
         WHERE t.id = ANY(%(tasks)s) AND t.status = 'pending'),
    named AS (
        SELECT gate_id, 0 AS stage, user_id, NULL::integer AS group_id
          FROM approvals_gate_users WHERE gate_id IN (SELECT gate_id FROM t)
         UNION ALL
        SELECT gg.gate_id, 0, ug.user_id, gg.group_id
          FROM approvals_gate_groups gg JOIN approvals_user_groups ug ON ug.group_id = gg.group_id
         WHERE gg.gate_id IN (SELECT gate_id FROM t)
         UNION ALL
        SELECT s.gate_id, s.position, su.user_id, NULL
          FROM approvals_stage s JOIN approvals_stage_users su ON su.stage_id = s.id
         WHERE s.gate_id IN (SELECT gate_id FROM t)
         UNION ALL
        SELECT s.gate_id, s.position, ug.user_id, sg.group_id
          FROM approvals_stage s JOIN approvals_stage_groups sg ON sg.stage_id = s.id
          JOIN approvals_user_groups ug ON ug.group_id = sg.group_id
         WHERE s.gate_id IN (SELECT gate_id FROM t)),
    place AS (
        SELECT p.* FROM approvals_place p LEFT JOIN approvals_user u ON u.id = p.user_id
         WHERE p.task_id = ANY(%(tasks)s) AND p.is_open AND u.is_active IS NOT FALSE),
    seat AS (
        SELECT t.id AS task_id, n.user_id AS holder, n.user_id AS sitter, FALSE AS escalated
          FROM t JOIN named n ON n.gate_id = t.gate_id AND n.stage = t.stage
         WHERE NOT EXISTS (SELECT FROM place p WHERE p.task_id = t.id AND p.why = 'handed'
                                                 AND p.stands_for_id = n.user_id)
           AND (NOT t.is_narrowed
                OR EXISTS (SELECT FROM place p WHERE p.task_id = t.id AND p.why = 'named'
                              AND (p.user_id = n.user_id OR p.group_id = n.group_id)))
         UNION
        SELECT task_id, stands_for_id, user_id, FALSE FROM place WHERE why = 'handed'
         UNION
        SELECT p.task_id, ug.user_id, ug.user_id, TRUE
          FROM place p JOIN approvals_user_groups ug ON ug.group_id = p.group_id
         WHERE p.why = 'escalated'
           AND NOT EXISTS (SELECT FROM place h WHERE h.task_id = p.task_id AND h.why = 'handed'
                                                 AND h.stands_for_id = ug.user_id)),
    stand_in AS (
        SELECT s.task_id, s.holder, s.sitter, u.delegate_id
          FROM seat s JOIN t ON t.id = s.task_id JOIN approvals_user u ON u.id = s.sitter
         WHERE NOT s.escalated AND u.is_active AND u.delegate_id IS NOT NULL
           AND u.away_from <= statement_timestamp()
           AND (u.away_until IS NULL OR statement_timestamp() < u.away_until)
           AND (t.hand_over = 'anybody'
                OR (t.hand_over = 'reviewers'
                    AND EXISTS (SELECT FROM named own WHERE own.gate_id = t.gate_id
                                                        AND own.user_id = u.delegate_id)))),
    sits AS (
        SELECT s.task_id, s.holder, s.sitter AS person, s.escalated,
               EXISTS (SELECT FROM stand_in i WHERE i.task_id = s.task_id AND i.holder = s.holder
                                                AND i.sitter = s.sitter) AS stood_in_for
          FROM seat s
         UNION ALL
        SELECT task_id, holder, delegate_id, FALSE, FALSE FROM stand_in)
    SELECT s.task_id, s.person, bool_and(s.stood_in_for), bool_or(s.escalated)
      FROM sits s JOIN t ON t.id = s.task_id
      JOIN approvals_user h ON h.id = s.holder JOIN approvals_user u ON u.id = s.person
     WHERE u.is_active AND (t.claimer IS NULL OR t.claimer = s.person)
       AND NOT EXISTS (SELECT FROM approvals_decision d
                        WHERE d.task_id = s.task_id AND d.withdrawn_at IS NULL
                          AND (d.reviewer_id = s.person
                               OR (d.stage = t.stage
                                   AND coalesce(d.on_behalf_of_id, d.reviewer_id) = s.holder)))
       AND NOT (t.exclude_requester
                AND (coalesce(t.requester_id IN (h.id, u.id), FALSE)
                     OR (t.requester_id IS NULL AND t.asked <> ''
                         AND t.asked IN (lower(h.username), lower(h.email),
                                         lower(u.username), lower(u.email)))))
     GROUP BY s.task_id, s.person"""

# Who had a part in it; `told` only those whom a mail has reached.
_INVOLVED = """
    SELECT n.task_id, n.person_id FROM approvals_notice n
      JOIN approvals_mail m ON m.id = n.mail_id AND m.status IN ('sent', 'sending')
     WHERE n.task_id = ANY(%(tasks)s)
     UNION
    SELECT task_id, unnest(ARRAY[reviewer_id, on_behalf_of_id]) FROM approvals_decision
     WHERE task_id = ANY(%(tasks)s) AND withdrawn_at IS NULL
     UNION
    SELECT task_id, stands_for_id FROM approvals_place
     WHERE task_id = ANY(%(tasks)s) AND why = 'handed'"""

_LAST_DECIDERS = """
    SELECT DISTINCT ON (task_id) task_id, reviewer_id FROM approvals_decision
     WHERE task_id = ANY(%(tasks)s) AND withdrawn_at IS NULL
     ORDER BY task_id, decided_at DESC, id DESC"""


def deciders(tasks: Iterable[UUID]) -> dict[UUID, dict[int, Place]]:
    """Who could decide each of `tasks` now, as `decisions.rules` would answer; of those that can
    still be undone, who could if they were. One query."""
    found: dict[UUID, dict[int, Place]] = defaultdict(dict)
    for task, person, stood_in_for, escalated in _rows(_DECIDERS, tasks):
        found[task][person] = Place(stood_in_for, escalated)
    return found


def audience(occasions: Sequence[Occasion]) -> list[tuple[Occasion, set[int]]]:
    """The ids of those to be told of each of `occasions`, which need `task.gate`. They may be
    inactive or want no mail. Four queries at most."""
    able = deciders(one.task_id for one in occasions if one.kind not in _ALONE)
    ended = [one.task_id for one in occasions if one.kind == Kind.SETTLED]
    involved: dict[UUID, set[int]] = defaultdict(set)
    for task, person in _rows(_INVOLVED, ended):
        if person:
            involved[task].add(person)
    last = dict(_rows(_LAST_DECIDERS, ended))
    return [
        (one, {person for person in _of(one, able, involved, last) if person != one.actor_id})
        for one in occasions
    ]


_ALONE = (Kind.HANDED_OVER, Kind.MOVED, Kind.ASKED, Kind.ANSWERED, Kind.SETTLED)


def _of(
    occasion: Occasion,
    able: Mapping[UUID, Mapping[int, Place]],
    involved: Mapping[UUID, set[int]],
    last: Mapping[UUID, int],
) -> set[int]:
    task, places = occasion.task, able.get(occasion.task_id, {})
    if occasion.person_id:
        return {occasion.person_id}
    if not task.gate.mails or task.gate.kind == Gate.Kind.JOB:
        return set()
    if occasion.kind == Kind.SETTLED:
        return _told_of_the_end(task, involved.get(task.pk, set()), last.get(task.pk))
    if occasion.kind == Kind.ESCALATED:
        return {person for person, place in places.items() if place.escalated}
    if occasion.kind in _TO_REVIEWERS and occasion.stage == task.stage:
        return {person for person, place in places.items() if not place.stood_in_for}
    return set()


def _told_of_the_end(task: ApprovalTask, involved: set[int], last: int | None) -> set[int]:
    """Those who had a part in it, and the requester; not whoever has just decided it. Nobody of
    one that a newer task takes the place of: they are told of that."""
    if task.status == TaskStatus.SUPERSEDED:
        return set()
    told = involved | ({task.requester_id} if task.requester_id else set())
    if task.status in _DECIDED and not task.settled_reason and last:
        told.discard(last)
    return told


def _rows(query: str, tasks: Iterable[UUID]) -> list[tuple]:
    wanted = list(set(tasks))
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(query, {"tasks": wanted})
        return cursor.fetchall()
