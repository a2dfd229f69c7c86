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
from approvals.inbox.seats import (
    AT_DESK,
    AT_DESK_OR_FOR_OTHERS,
    GIVEN,
    GIVEN_ELSEWHERE,
    GIVEN_TO_DECIDE,
    IS_PRESENT,
    MY_DESKS,
    OPEN_TO_ME,
    OPEN_TO_ME_AT_DESK,
)
from approvals.models import ApprovalTask, Gate, OutsideJob
from approvals.people.eligibility import Person, Tie

PAGE_SIZE = 50
COUNT_CAP = 100
# In place of a callback's status: decided, and it can still be undone.
HELD = "held"

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

_COLUMNS = """t.id::text, t.title, t.workflow, t.state, t.requested_by, t.approvals, t.status,
           (extract(epoch FROM t.received_at) * 1000000)::bigint,
           (extract(epoch FROM t.{at}) * 1000000)::bigint, t.required"""

# Who is on it (blank: I am) and since when; nobody while they are away.
_CLAIM = f"""(SELECT CASE WHEN c.id = %(me)s THEN '' ELSE COALESCE(
                    NULLIF(trim(c.first_name || ' ' || c.last_name), ''), c.username) END
             FROM approvals_user c
            WHERE c.id = t.claimed_by_id AND {IS_PRESENT.format(who="c")}),
          (extract(epoch FROM t.claimed_at) * 1000000)::bigint"""  # noqa: S608 - constants

_LISTED = """t.id, t.title, t.workflow, t.state, t.requested_by, t.approvals, t.required,
                          t.status, t.received_at, t.settles_at, t.claimed_by_id,
                          t.claimed_at"""

_PENDING_PAGE = f"""
    SELECT {{columns}}, CASE WHEN t.settles_at IS NOT NULL THEN '{HELD}' END, {_CLAIM}
      FROM (SELECT t.* FROM ({{desks}}) d
              JOIN approvals_gate g ON g.id = d.gate_id
             CROSS JOIN LATERAL (SELECT {_LISTED}, t.sort_deadline {_PROBE}) t
             WHERE d.gate_id = ANY(%(shown)s)
             {{given}}) t
     ORDER BY t.sort_deadline, t.id LIMIT %(limit)s"""  # noqa: S608 - constants

_GIVEN_TOO = f"""
             UNION ALL
            SELECT {_LISTED}, t.sort_deadline {GIVEN} {{where}}"""

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

_COUNT = """
           (SELECT count(*) FROM (
                   SELECT FROM unnest(%({gates})s::bigint[]) AS at(gate_id) CROSS JOIN LATERAL (
                          SELECT FROM approvals_approvaltask t
                           WHERE t.gate_id = at.gate_id AND {where} LIMIT %(limit)s) t
                    LIMIT %(limit)s) x)"""
_OVERVIEW = f"""
    SELECT mine.id, mine.name, mine.kind,
           (SELECT count(*) FROM (
                   SELECT FROM ({MY_DESKS}) d
                     JOIN approvals_gate g ON g.id = d.gate_id AND g.kind = 'people'
                    CROSS JOIN LATERAL (SELECT {_PROBE}) t
                    LIMIT %(limit)s) x),
           {_COUNT.format(gates="people", where="t.status = 'pending'")},
           {_COUNT.format(gates="all", where="t.settled_at IS NOT NULL")},
           {_COUNT.format(gates="jobs", where="t.status = 'pending'")}
      FROM approvals_gate mine
     WHERE mine.id = ANY(%(gates)s)
     ORDER BY mine.name"""  # noqa: S608 - constants

# What was given to me, beside what my desks list; and where, if not at a gate that names me.
_GIVEN_COUNT = f"""
    SELECT count(*) FROM (SELECT {GIVEN} {{given}} LIMIT %(limit)s) x"""  # noqa: S608 - constants
_ELSEWHERE = f"""
    SELECT mine.id, mine.name, mine.kind, x.count FROM approvals_gate mine
      JOIN (SELECT t.gate_id, count(*) FROM (SELECT t.gate_id {GIVEN} {GIVEN_ELSEWHERE}
                                              LIMIT %(limit)s) t
             GROUP BY t.gate_id) x ON x.gate_id = mine.id"""  # noqa: S608 - constants


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
    claimer: str | None = None  # their name; blank: whoever looks
    claimed: int | None = None

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.at, UUID(self.id))


class GateName(NamedTuple):
    """A gate at which somebody has something to look at."""

    id: int
    name: str
    kind: str


class Overview(NamedTuple):
    """A person's gates by name, and how much each tab shows, counted up to `COUNT_CAP`."""

    gates: list[GateName]
    counts: dict[Tab, int]


def overview(person: Person) -> Overview:
    mine = _mine(person)
    params = _about(person) | {
        "limit": COUNT_CAP,
        "people": _gates_on(Tab.TEAM, person),
        "all": _gates_on(Tab.DONE, person),
        "jobs": _gates_on(Tab.JOBS, person),
    }
    gates, counts = [], dict.fromkeys((Tab.MINE, Tab.TEAM, Tab.DONE, Tab.JOBS), 0)
    with connection.cursor() as cursor:
        if person.gates:
            cursor.execute(_OVERVIEW.format(**mine), params)
            for row in cursor.fetchall():
                gates.append(GateName(*row[:3]))
                counts = dict(zip(counts, row[3:], strict=True))
        if Tie.GIVEN in person.ties:
            cursor.execute(_GIVEN_COUNT.format(**mine), params)
            counts[Tab.MINE] += cursor.fetchall()[0][0]
            cursor.execute(_ELSEWHERE, params)
            for row in cursor.fetchall():
                gates.append(GateName(*row[:3]))
                counts[Tab.TEAM] += row[3]
            gates.sort(key=lambda gate: gate.name.casefold())
    return Overview(gates, counts)


def page(person: Person, address: Address, limit: int = PAGE_SIZE + 1) -> list[Row]:
    """The rows behind the address' cursor; one more than a page holds tells that there are more."""
    shown = _gates_on(address.tab, person)
    shown = [gate for gate in shown if address.gate in (None, gate)] or shown
    params = {**_about(person), "limit": limit, "shown": shown}
    done = address.tab == Tab.DONE
    where = "".join(_conditions(address, params))
    if done:
        sql = _DONE_PAGE.format(columns=_COLUMNS.format(at="settled_at"), where=where)
    else:
        is_mine = address.tab == Tab.MINE
        mine = _mine(person) if is_mine else {"where": "", "given": GIVEN_ELSEWHERE}
        has_given = Tie.GIVEN in person.ties and address.tab != Tab.JOBS
        sql = _PENDING_PAGE.format(
            columns=_COLUMNS.format(at="sort_deadline"),
            desks=MY_DESKS if is_mine else _ALL_DESKS,
            where=where + mine["where"],
            given=_GIVEN_TOO.format(where=where + mine["given"]) if has_given else "",
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
    seats = person.memberships
    own: dict[tuple[int, int], bool] = {}
    for one in seats:
        desk = one.gate, one.stage
        own[desk] = own.get(desk, False) or one.user == person.user.pk
    return {
        "me": person.user.pk,
        "my_names": [name for name in names if name],
        "principals": sorted(person.principals),
        "own_gates": sorted(person.own_gates),
        "gates": [gate for gate, _ in own],
        "stages": [stage for _, stage in own],
        "own": list(own.values()),
        "seat_gates": [one.gate for one in seats],
        "seat_stages": [one.stage for one in seats],
        "seat_users": [one.user for one in seats],
        "seat_teams": [one.group for one in seats],
    }


def _mine(person: Person) -> dict[str, str]:
    """What waits for this person: the conditions at a desk, and for what was given to them."""
    at_desk = AT_DESK_OR_FOR_OTHERS if person.principals else AT_DESK
    is_plain = not person.principals and Tie.GAVE not in person.ties
    return {
        "where": OPEN_TO_ME_AT_DESK if is_plain else f"{OPEN_TO_ME} AND {at_desk}",
        "given": OPEN_TO_ME + GIVEN_TO_DECIDE.format(at_desk=at_desk),
    }


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
