"""The door, who may decide, in SQL: the same as `decisions.rules` and `people.eligibility`, which
are asked again before anything is decided. tests/people/test_seats.py compares the two.

The list's queries (queries.py) put these conditions together; `t` is the task, `g` its gate.
OFFSET 0 has decisions and places looked up task by task, by their index: made into a join, they
would be read from beginning to end.
"""

# The desks at which I sit, by myself or (not `own`) only standing in for somebody.
MY_DESKS = """
    SELECT gate_id, stage, own, false AS narrowed
      FROM unnest(%(gates)s::bigint[], %(stages)s::integer[], %(own)s::boolean[])
           AS named(gate_id, stage, own)"""

# Whoever sits there: I, and those for whom I stand in.
_SEATS = """unnest(%(seat_gates)s::bigint[], %(seat_stages)s::integer[],
                    %(seat_users)s::bigint[], %(seat_teams)s::integer[])
                 AS m(gate_id, stage, user_id, team_id)
          JOIN approvals_user u ON u.id = m.user_id"""

IS_PRESENT = """{who}.is_active AND NOT ({who}.away_from IS NOT NULL
                AND {who}.away_from <= statement_timestamp()
                AND ({who}.away_until IS NULL OR statement_timestamp() < {who}.away_until))"""

# Whatever place I would decide from.
_OPEN_TO_ME = f"""
    AND t.settles_at IS NULL
    AND (t.claimed_by_id IS NULL OR t.claimed_by_id = %(me)s
         OR NOT EXISTS (SELECT FROM approvals_user c
                         WHERE c.id = t.claimed_by_id AND {IS_PRESENT.format(who="c")}))
    AND NOT EXISTS (SELECT FROM approvals_decision d
                     WHERE d.task_id = t.id AND d.withdrawn_at IS NULL AND {{decided}}
                    OFFSET 0)
    AND NOT (g.exclude_requester AND COALESCE(t.requester_id = %(me)s,
                                              lower(t.requested_by) = ANY(%(my_names)s)))"""  # noqa: S608 - constants
_BY_ME = "d.reviewer_id = %(me)s"
_FOR_ME = "(d.on_behalf_of_id = %(me)s AND d.stage = t.stage)"
OPEN_TO_ME = _OPEN_TO_ME.format(decided=_BY_ME)

# The place of {who} has not been used at this stage, and is not the requester's.
_IS_FREE = """
    NOT EXISTS (SELECT FROM approvals_decision x
                 WHERE x.task_id = t.id AND x.withdrawn_at IS NULL AND x.stage = t.stage
                   AND COALESCE(x.on_behalf_of_id, x.reviewer_id) = {who}.id
                OFFSET 0)
    AND NOT (g.exclude_requester AND t.requested_by <> ''
             AND COALESCE(t.requester_id = {who}.id,
                          lower(t.requested_by) IN (lower({who}.username), lower({who}.email))))"""

_IS_KEPT = """
    NOT (t.has_places AND EXISTS (
         SELECT FROM approvals_place h JOIN approvals_user hu ON hu.id = h.user_id AND hu.is_active
          WHERE h.task_id = t.id AND h.stands_for_id = {who} AND h.why = 'handed' AND h.is_open
         OFFSET 0))"""

# My own place, which I neither gave away nor somebody has used for me.
_MINE = f"""
    NOT EXISTS (SELECT FROM approvals_decision d
                 WHERE d.task_id = t.id AND d.withdrawn_at IS NULL AND {_FOR_ME}
                OFFSET 0)
    AND {_IS_KEPT.format(who="%(me)s")}"""

# At a desk `d` of mine.
AT_DESK = f"({_MINE})"
AT_DESK_OR_FOR_OTHERS = f"""
    ((d.own AND {_MINE})
     OR EXISTS (SELECT FROM {_SEATS}
                 WHERE m.gate_id = d.gate_id AND m.stage = d.stage AND m.user_id <> %(me)s
                   AND {_IS_FREE.format(who="u")} AND {_IS_KEPT.format(who="u.id")}))"""
# The same where I gave nothing away and stand in for nobody, as mostly: half as many look-ups.
OPEN_TO_ME_AT_DESK = _OPEN_TO_ME.format(decided=f"({_BY_ME} OR {_FOR_ME})")

# Tasks with rows of `Place` for me: named by the message, handed over, or escalated.
GIVEN = """
     FROM approvals_approvaltask t JOIN approvals_gate g ON g.id = t.gate_id AND g.kind = 'people'
    WHERE t.id IN (
          SELECT p.task_id FROM approvals_place p
           WHERE p.is_open AND p.user_id = ANY(%(principals)s::bigint[] || %(me)s::bigint)
           UNION
          SELECT p.task_id FROM approvals_user_groups ug
            JOIN approvals_place p ON p.group_id = ug.group_id AND p.is_open
           WHERE ug.user_id = ANY(%(principals)s::bigint[] || %(me)s::bigint))
      AND t.status = 'pending' AND t.has_places"""

_I_SIT_ON = """(p.user_id = %(me)s
                OR (p.why = 'handed' AND p.user_id = ANY(%(principals)s::bigint[])
                    AND (g.hand_over = 'anybody' OR (g.hand_over = 'reviewers'
                                                     AND g.id = ANY(%(own_gates)s::bigint[])))))"""

# Those of them that wait for me and that no desk of mine lists. {at_desk}: one of the two above.
GIVEN_TO_DECIDE = f"""
    AND (t.is_narrowed OR NOT EXISTS (SELECT FROM ({MY_DESKS}) d
                                       WHERE d.gate_id = t.gate_id AND d.stage = t.stage
                                         AND {{at_desk}}))
    AND ((t.is_narrowed AND EXISTS (
             SELECT FROM {_SEATS}
               JOIN approvals_place p ON p.task_id = t.id AND p.is_open AND p.why = 'named'
                AND (p.user_id = m.user_id OR p.group_id = m.team_id)
              WHERE m.gate_id = t.gate_id AND m.stage = t.stage
                AND {_IS_FREE.format(who="u")} AND {_IS_KEPT.format(who="u.id")}))
         OR EXISTS (
             SELECT FROM approvals_place p JOIN approvals_user u ON u.id = p.stands_for_id
              WHERE p.task_id = t.id AND p.is_open AND p.why = 'handed' AND {_I_SIT_ON}
                AND {_IS_FREE.format(who="u")})
         OR (EXISTS (SELECT FROM approvals_place p
                       JOIN approvals_user_groups ug ON ug.group_id = p.group_id
                      WHERE p.task_id = t.id AND p.is_open AND p.why = 'escalated'
                        AND ug.user_id = %(me)s)
             AND {_MINE}))"""  # noqa: S608 - constants

# Those of them at gates that do not name me.
GIVEN_ELSEWHERE = f"""
    AND t.gate_id <> ALL(%(gates)s)
    AND EXISTS (SELECT FROM approvals_place p
                 WHERE p.task_id = t.id AND p.is_open
                   AND ({_I_SIT_ON} OR p.group_id IN (SELECT group_id FROM approvals_user_groups
                                                       WHERE user_id = %(me)s)))"""  # noqa: S608 - constants
