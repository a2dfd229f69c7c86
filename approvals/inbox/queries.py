"""The door, what the list reads: one index probe per desk, explicit columns, never a ciphertext.

A desk is a stage of a gate. Written in SQL, since two things matter that the ORM has no words for:
a LATERAL probe of `task_inbox` (or `task_done`) for each desk, and comparing whole rows of the
keyset. A page costs the same with a thousand and with millions of pending tasks. Times come as
microseconds: reading a hundred timestamps would cost as much as the query itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from approvals.inbox.address import Address, Cursor, Tab
from approvals.inbox.outside import JobLine
from approvals.models import ApprovalTask, Gate, OutsideJob
from approvals.people.eligibility import Person

PAGE_SIZE = 50
COUNT_CAP = 100

# The list's rule in SQL; `decisions.rules` is asked again before anything is decided.
_STILL_MINE = """
    AND t.settles_at IS NULL AND (t.claimed_by_id IS NULL OR t.claimed_by_id = %(me)s)
    AND NOT EXISTS (SELECT FROM approvals_decision d
                     WHERE d.task_id = t.id AND d.withdrawn_at IS NULL
                       AND (d.reviewer_id = %(me)s OR d.on_behalf_of_id = %(me)s))
    AND NOT (t.has_places AND EXISTS (SELECT FROM approvals_place h
              WHERE h.task_id = t.id AND h.stands_for_id = %(me)s AND h.is_open))
    AND NOT (g.exclude_requester AND COALESCE(t.requester_id = %(me)s,
                                              lower(t.requested_by) = ANY(%(my_names)s)))"""

# At a desk where one only stands in for others: a place of theirs has to be free.
_STANDING_IN = """
    AND (d.own OR EXISTS (
        SELECT FROM unnest(%(principals)s::bigint[]) AS p(id)
         WHERE NOT EXISTS (SELECT FROM approvals_decision x
                            WHERE x.task_id = t.id AND x.withdrawn_at IS NULL
                              AND (x.reviewer_id = p.id OR x.on_behalf_of_id = p.id))))"""

_MY_DESKS = """
    SELECT gate_id, stage, own, false AS narrowed
      FROM unnest(%(gates)s::bigint[], %(stages)s::integer[], %(own)s::boolean[])
           AS named(gate_id, stage, own)"""

_ALL_DESKS = """
    SELECT m.gate_id, s.stage, true AS own, w.narrowed
      FROM (SELECT DISTINCT unnest(%(gates)s::bigint[]) AS gate_id) m
     CROSS JOIN LATERAL (SELECT 0 AS stage UNION ALL
                         SELECT position FROM approvals_stage WHERE gate_id = m.gate_id) s
     CROSS JOIN (VALUES (false), (true)) AS w(narrowed)"""

_PROBE = """
     FROM approvals_approvaltask t
    WHERE t.gate_id = d.gate_id AND t.stage = d.stage AND t.is_narrowed = d.narrowed
      AND t.status = 'pending' {where}
    ORDER BY t.sort_deadline, t.id LIMIT %(limit)s"""

# Tasks at which a row of `Place` is mine: named by the message, handed over, or escalated.
_GIVEN = """
     FROM approvals_approvaltask t JOIN approvals_gate g ON g.id = t.gate_id
    WHERE t.id IN (
          SELECT p.task_id FROM approvals_place p
           WHERE p.is_open AND p.user_id = ANY(%(principals)s::bigint[] || %(me)s::bigint)
           UNION
          SELECT p.task_id FROM approvals_user_groups ug
            JOIN approvals_place p ON p.group_id = ug.group_id AND p.is_open
           WHERE ug.user_id = %(me)s)
      AND t.status = 'pending' AND t.has_places
      AND CASE WHEN t.is_narrowed
               THEN EXISTS (SELECT FROM unnest(%(gates)s::bigint[], %(stages)s::integer[])
                                        AS d(gate_id, stage)
                             WHERE d.gate_id = t.gate_id AND d.stage = t.stage)
               ELSE NOT EXISTS (SELECT FROM unnest(%(gates)s::bigint[], %(stages)s::integer[])
                                            AS d(gate_id, stage)
                                 WHERE d.gate_id = t.gate_id AND d.stage = t.stage) END"""

_COLUMNS = """t.id::text, t.title, t.workflow, t.state, t.requested_by, t.approvals, t.status,
           (extract(epoch FROM t.received_at) * 1000000)::bigint,
           (extract(epoch FROM t.{at}) * 1000000)::bigint, t.required"""

_LISTED = """t.id, t.title, t.workflow, t.state, t.requested_by, t.approvals, t.required,
                          t.status, t.received_at"""

_PENDING_PAGE = f"""
    SELECT {{columns}}, NULL
      FROM (SELECT t.* FROM ({{desks}}) d
              JOIN approvals_gate g ON g.id = d.gate_id
             CROSS JOIN LATERAL (SELECT {_LISTED}, t.sort_deadline {_PROBE}) t
             WHERE d.gate_id = ANY(%(shown)s)
             {{given}}) t
     ORDER BY t.sort_deadline, t.id LIMIT %(limit)s"""  # noqa: S608 - constants

_GIVEN_TOO = f"""
             UNION ALL
            SELECT {_LISTED}, t.sort_deadline {_GIVEN} {{where}}"""

_DONE_PAGE = f"""
    SELECT {{columns}}, c.status
      FROM (SELECT t.*
              FROM approvals_gate g CROSS JOIN LATERAL (
                   SELECT {_LISTED}, t.settled_at
                     FROM approvals_approvaltask t
                    WHERE t.gate_id = g.id AND t.settled_at IS NOT NULL {{where}}
                    ORDER BY t.settled_at DESC, t.id DESC LIMIT %(limit)s) t
             WHERE g.id = ANY(%(shown)s)
             ORDER BY t.settled_at DESC, t.id DESC LIMIT %(limit)s) t
      LEFT JOIN approvals_callback c ON c.task_id = t.id
     ORDER BY t.settled_at DESC, t.id DESC"""  # noqa: S608 - constants

_COUNTS = f"""
    WITH given AS (SELECT t.gate_id {_GIVEN} {_STILL_MINE} LIMIT %(limit)s)
    SELECT g.id, g.name, g.kind,
           (SELECT count(*) FROM given WHERE given.gate_id = g.id)
           + (SELECT COALESCE(sum(c.n), 0)::integer
                FROM ({_MY_DESKS}) d CROSS JOIN LATERAL (
                     SELECT count(*) AS n FROM (SELECT {_PROBE}) x) c
               WHERE d.gate_id = g.id),
           CASE WHEN g.id = ANY(%(gates)s)
                THEN (SELECT COALESCE(sum(c.n), 0)::integer
                        FROM ({_ALL_DESKS}) d CROSS JOIN LATERAL (
                             SELECT count(*) AS n FROM (SELECT {_PROBE.format(where="")}) x) c
                       WHERE d.gate_id = g.id)
                ELSE (SELECT count(*) FROM given WHERE given.gate_id = g.id) END,
           CASE WHEN g.id = ANY(%(gates)s)
                THEN (SELECT count(*) FROM (
                        SELECT FROM approvals_approvaltask t
                         WHERE t.gate_id = g.id AND t.settled_at IS NOT NULL
                         ORDER BY t.settled_at DESC, t.id DESC LIMIT %(limit)s) x)
                ELSE 0 END
      FROM approvals_gate g
     WHERE g.id = ANY(%(gates)s) OR g.id IN (SELECT gate_id FROM given)
     ORDER BY g.name"""  # noqa: S608 - constants


class Row(NamedTuple):
    """One line of the list. `at`: what it is sorted by, its deadline or when it was settled."""

    id: str
    title: str
    workflow: str
    state: str
    requested_by: str
    approvals: int
    status: str
    received: int  # microseconds since 1970, as `at`
    at: int
    required: int
    callback: str | None

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.at, UUID(self.id))


class GateCounts(NamedTuple):
    """A gate of mine and what is there for each tab, each counted up to `COUNT_CAP`."""

    id: int
    name: str
    kind: str
    mine: int
    team: int
    done: int


def gate_counts(person: Person) -> list[GateCounts]:
    """The gates at which this person has something to look at."""
    about = _about(person)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS.format(where=_mine(about)), about | {"limit": COUNT_CAP})
        return [GateCounts(*row) for row in cursor.fetchall()]


def page(person: Person, address: Address, limit: int = PAGE_SIZE + 1) -> list[Row]:
    """The rows behind the address' cursor; one more than a page holds tells that there are more."""
    shown = _gates_on(address.tab, person)
    shown = [gate for gate in shown if address.gate in (None, gate)] or shown
    params = {**_about(person), "limit": limit, "shown": shown}
    done = address.tab == Tab.DONE
    where = "".join(_conditions(address, params))
    if done:
        sql = _DONE_PAGE.format(columns=_COLUMNS.format(at="settled_at"), where=where)
    elif address.tab == Tab.MINE:
        sql = _PENDING_PAGE.format(
            columns=_COLUMNS.format(at="sort_deadline"),
            desks=_MY_DESKS,
            where=where + _mine(params),
            given=_GIVEN_TOO.format(where=where + _STILL_MINE),
        )
    else:
        elsewhere = where + " AND t.gate_id <> ALL(%(gates)s)"
        sql = _PENDING_PAGE.format(
            columns=_COLUMNS.format(at="sort_deadline"),
            desks=_ALL_DESKS,
            where=where,
            given=_GIVEN_TOO.format(where=elsewhere) if address.tab == Tab.TEAM else "",
        )
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [Row(*row) for row in cursor.fetchall()]


def _gates_on(tab: Tab, person: Person) -> list[int]:
    """Jobs and what people decide have tabs of their own; what is done is done."""
    if tab == Tab.DONE:
        return sorted(person.gates)
    wanted = Gate.Kind.JOB if tab == Tab.JOBS else Gate.Kind.PEOPLE
    return sorted(gate for gate, kind in person.gates.items() if kind == wanted)


def job_lines(rows: Sequence[Row]) -> dict[str, JobLine]:
    """How the jobs of these rows are doing, by task id."""
    jobs = OutsideJob.objects.filter(task__in=[row.id for row in rows]).select_related("gate")
    return {str(job.task_id): JobLine.of(job, job.gate) for job in jobs}


def next_task(person: Person, address: Address, task: ApprovalTask) -> UUID | None:
    """What to look at after `task`: the one behind it in the same view, else the first there is."""
    place = Cursor.behind(task.sort_deadline, task.pk)
    found = page(person, address.behind(place), limit=1) or page(
        person, address.behind(None), limit=2
    )
    return next((UUID(row.id) for row in found if row.id != str(task.pk)), None)


def _about(person: Person) -> dict[str, Any]:
    names = (person.user.username.lower(), person.user.email.lower())
    own: dict[tuple[int, int], bool] = {}
    for one in person.memberships:
        desk = one.gate, one.stage
        own[desk] = own.get(desk, False) or one.user == person.user.pk
    return {
        "me": person.user.pk,
        "my_names": [name for name in names if name],
        "principals": sorted(person.principals),
        "gates": [gate for gate, _ in own],
        "stages": [stage for _, stage in own],
        "own": list(own.values()),
    }


def _mine(about: Mapping[str, Any]) -> str:
    return _STILL_MINE + (_STANDING_IN if about["principals"] else "")


def _conditions(address: Address, params: dict[str, Any]) -> Iterator[str]:
    """The address as SQL; its values go into `params`."""
    if address.gate:
        params["gate"] = address.gate
        yield " AND t.gate_id = %(gate)s"
    if address.after:
        params.update(after_at=address.after.at, after_id=address.after.id)
        if address.tab == Tab.DONE:
            yield " AND (t.settled_at, t.id) < (%(after_at)s, %(after_id)s)"
        else:
            yield " AND (t.sort_deadline, t.id) > (%(after_at)s, %(after_id)s)"
    if address.workflow:
        params["workflow"] = address.workflow
        yield " AND t.workflow = %(workflow)s"
    if address.requester:
        params["requester"] = address.requester.lower()
        yield " AND lower(t.requested_by) = %(requester)s"
    if address.q:
        params.update(_search(address.q))
        yield " AND t.search @@ (to_tsquery('simple', %(words)s) || %(literals)s::tsquery)"


def _search(text: str) -> Mapping[str, str]:
    """Every word, as the beginning of one. Quoted, so that nothing in it is an operator.

    Twice: parsed as the search column is ("order-refunds" is three words there), and literally,
    since the parser cuts what is typed only in part ("alice@exam") elsewhere than the whole.
    """
    quoted = [word.replace("\\", "\\\\").replace("'", "''") for word in text.split()[:8]]
    return {
        "words": " & ".join(f"'{word}':*" for word in quoted),
        "literals": " & ".join(f"'{word.lower()}':*" for word in quoted),
    }
