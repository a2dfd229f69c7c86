"""The door, what the list reads: one index probe per gate, explicit columns, never a ciphertext.

Written in SQL, since two things matter that the ORM has no words for: a LATERAL probe of
`task_inbox` (or `task_done`) for each gate, and comparing whole rows of the keyset. A page costs
the same with a thousand and with millions of pending tasks. Times come as microseconds: reading a
hundred timestamps would cost as much as the query itself.
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

# What `Person.gates` says, for the query that reads the gates anyway.
_MY_GATES = """
    SELECT gate_id FROM approvals_gate_users WHERE user_id = %(me)s
     UNION ALL
    SELECT gg.gate_id FROM approvals_gate_groups gg
      JOIN approvals_user_groups ug ON ug.group_id = gg.group_id WHERE ug.user_id = %(me)s"""

# The list's rule in SQL; `decisions.rules` is asked again before anything is decided.
_STILL_MINE = """
    AND NOT EXISTS (SELECT FROM approvals_decision d
                     WHERE d.task_id = t.id AND d.reviewer_id = %(me)s)
    AND NOT (g.exclude_requester AND COALESCE(t.requester_id = %(me)s,
                                              lower(t.requested_by) = ANY(%(my_names)s)))"""

_COLUMNS = """t.id::text, t.title, t.workflow, t.state, t.requested_by, t.approvals, t.status,
           (extract(epoch FROM t.received_at) * 1000000)::bigint,
           (extract(epoch FROM t.{at}) * 1000000)::bigint, t.quorum"""

_PENDING_PAGE = """
    SELECT {columns}, NULL
      FROM (SELECT t.*, g.quorum
              FROM approvals_gate g CROSS JOIN LATERAL (
                   SELECT t.id, t.title, t.workflow, t.state, t.requested_by, t.approvals,
                          t.status, t.received_at, t.sort_deadline
                     FROM approvals_approvaltask t
                    WHERE t.gate_id = g.id AND t.status = 'pending' {where}
                    ORDER BY t.sort_deadline, t.id LIMIT %(limit)s) t
             WHERE g.id = ANY(%(gates)s)
             ORDER BY t.sort_deadline, t.id LIMIT %(limit)s) t
     ORDER BY t.sort_deadline, t.id"""

_DONE_PAGE = """
    SELECT {columns}, c.status
      FROM (SELECT t.*, g.quorum
              FROM approvals_gate g CROSS JOIN LATERAL (
                   SELECT t.id, t.title, t.workflow, t.state, t.requested_by, t.approvals,
                          t.status, t.received_at, t.settled_at
                     FROM approvals_approvaltask t
                    WHERE t.gate_id = g.id AND t.settled_at IS NOT NULL {where}
                    ORDER BY t.settled_at DESC, t.id DESC LIMIT %(limit)s) t
             WHERE g.id = ANY(%(gates)s)
             ORDER BY t.settled_at DESC, t.id DESC LIMIT %(limit)s) t
      LEFT JOIN approvals_callback c ON c.task_id = t.id
     ORDER BY t.settled_at DESC, t.id DESC"""

_GATES = f"""
    SELECT g.id, g.name, g.kind,
           (SELECT count(*) FROM (
               SELECT FROM approvals_approvaltask t
                WHERE t.gate_id = g.id AND t.status = 'pending' {_STILL_MINE}
                ORDER BY t.sort_deadline, t.id LIMIT {COUNT_CAP}) x),
           (SELECT count(*) FROM (
               SELECT FROM approvals_approvaltask t
                WHERE t.gate_id = g.id AND t.status = 'pending'
                ORDER BY t.sort_deadline, t.id LIMIT {COUNT_CAP}) x),
           (SELECT count(*) FROM (
               SELECT FROM approvals_approvaltask t
                WHERE t.gate_id = g.id AND t.settled_at IS NOT NULL
                ORDER BY t.settled_at DESC, t.id DESC LIMIT {COUNT_CAP}) x)
      FROM approvals_gate g WHERE g.id = ANY(ARRAY({_MY_GATES})) ORDER BY g.name"""  # noqa: S608 - constants


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
    quorum: int
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
    """The gates that name this person; they then need not be looked up again."""
    with connection.cursor() as cursor:
        cursor.execute(_GATES, _about(person))
        gates = [GateCounts(*row) for row in cursor.fetchall()]
    person.gates = {gate.id: gate.kind for gate in gates}
    return gates


def page(person: Person, address: Address, limit: int = PAGE_SIZE + 1) -> list[Row]:
    """The rows behind the address' cursor; one more than a page holds tells that there are more."""
    gates = _gates_on(address.tab, person)
    gates = [address.gate] if address.gate in gates else gates
    params = {**_about(person), "limit": limit, "gates": gates}
    done = address.tab == Tab.DONE
    sql = (_DONE_PAGE if done else _PENDING_PAGE).format(
        columns=_COLUMNS.format(at="settled_at" if done else "sort_deadline"),
        where="".join(_conditions(address, params)),
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
    return {"me": person.user.pk, "my_names": [name for name in names if name]}


def _conditions(address: Address, params: dict[str, Any]) -> Iterator[str]:
    """The address as SQL; its values go into `params`."""
    if address.tab == Tab.MINE:
        yield _STILL_MINE
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
