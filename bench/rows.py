"""Rows to measure with: configuration through the models, tasks by the hundred thousand by SQL."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection

from approvals.tokens import encrypt

if TYPE_CHECKING:  # models load once Django has been set up
    from approvals.models import Gate, Source, User

# As long as real ones; needs no quoting in a URL.
TOKEN = "AQCsAAAAKgAAAAMAAAAA" + "Bench0123456789abcdef" * 28

# Every column that `intake.accept` writes. One ciphertext for all (decrypting costs the same),
# digests of their own. `i` runs from `first` to `last`.
_TASKS = """
    INSERT INTO approvals_approvaltask (
        id, status, settled_at, gate_id, source_id, connection_id, token_ciphertext, token_digest,
        title, summary, payload, links, requested_by, workflow, workflow_id, execution_name,
        execution_id, state, dedupe_key, received_at, heartbeat_seconds, deadline, expiry_due_at,
        approvals, settled_reason
    )
    SELECT uuidv7(), %(status)s::text,
        CASE WHEN %(status)s::text <> 'pending' THEN now() - i * interval '1 s' END,
        %(gate)s, %(source)s, %(connection)s, %(ciphertext)s,
        sha256(convert_to(concat_ws(' ', %(gate)s, %(status)s::text, i), 'UTF8')),
        (ARRAY['Refund order', 'Deploy checkout', 'Export customer data', 'Release offer'])[
            1 + i %% 4
        ] || ' ' || i || (ARRAY['', ' for Northwind Freight', ' (second try)'])[1 + i %% 3]
            || CASE WHEN i = %(first)s THEN ' zanzibar' ELSE '' END,
        'Two boxes arrived **crushed**; the carrier has confirmed the damage.',
        jsonb_build_object('orderId', 'A-' || i, 'amount', i %% 1000, 'currency', 'EUR'),
        '[]', 'person' || i %% 500 || '@example.com', 'order-refunds',
        'arn:aws:states:us-east-1:123456789012:stateMachine:order-refunds',
        'run-' || i, 'arn:aws:states:us-east-1:123456789012:execution:order-refunds:run-' || i,
        'Ask a person', '', now() - i %% 86400 * interval '1 s', NULL,
        CASE WHEN i %% 3 > 0 THEN now() + (3600 + i %% 864000) * interval '1 s' END,
        CASE WHEN i %% 3 > 0 THEN now() + (3602 + i %% 864000) * interval '1 s' END,
        0, ''
    FROM generate_series(%(first)s::int, %(last)s::int) AS i
"""
_HEARTBEATS = """
    INSERT INTO approvals_heartbeat (task_id, connection_id, every, due_at, error)
    SELECT id, connection_id, %s, now(), '' FROM approvals_approvaltask
    WHERE connection_id = %s
"""


def make_source(name: str, endpoint_url: str = "", **fields: Any) -> "Source":
    """A source whose tokens belong to the Step Functions at `endpoint_url`."""
    from approvals.models import Connection, Source

    engine = Connection.objects.create(
        name=name, kind="step_functions", region="us-east-1", endpoint_url=endpoint_url, **fields
    )
    return Source.objects.create(
        name=name, connection=engine, queue_url="http://127.0.0.1:1/123456789012/bench"
    )


def make_gate(slug: str, *reviewers: "User") -> "Gate":
    from approvals.models import Gate

    gate = Gate.objects.create(slug=slug, name=slug.capitalize())
    gate.users.set(reviewers)
    return gate


def make_tasks(
    gate: "Gate", source: "Source", last: int, *, first: int = 1, status: str = "pending"
) -> None:
    values: dict[str, int | str | bytes] = {
        "gate": gate.pk,
        "source": source.pk,
        "connection": source.connection_id,
        "ciphertext": encrypt(TOKEN),
        "status": status,
        "first": first,
        "last": last,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TASKS, values)


def accept_tasks(gate: "Gate", source: "Source", count: int) -> list[tuple[UUID, str]]:
    """Pending tasks, come in as messages; id and token of each."""
    from approvals.intake.accept import accept

    tokens = [f"{TOKEN}{number:06}" for number in range(count)]
    bodies = [
        json.dumps({"taskToken": token, "gate": gate.slug, "title": f"Refund {number}"})
        for number, token in enumerate(tokens)
    ]
    accepted = accept(source, bodies)
    return [
        (each.task_id, token) for each, token in zip(accepted, tokens, strict=True) if each.task_id
    ]


def make_heartbeats(source: "Source", every: float) -> None:
    """A row for each task of the source, due in `every` seconds."""
    with connection.cursor() as cursor:
        cursor.execute(_HEARTBEATS, [every, source.connection_id])
    make_due(source.connection_id, now=False)


def make_due(connection_id: int, *, now: bool) -> None:
    """All heartbeats of a connection at once: now, or as late as they may be."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE approvals_heartbeat "
            "SET due_at = now() + make_interval(secs => CASE WHEN %s THEN 0 ELSE every END) "
            "WHERE connection_id = %s",
            [now, connection_id],
        )


def all_sent(connection_id: int, within: float) -> bool:
    """Whether none of them is due, or leased, for the next `within` seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT NOT EXISTS (SELECT FROM approvals_heartbeat "
            "WHERE connection_id = %s AND due_at < now() + make_interval(secs => %s))",
            [connection_id, within],
        )
        return bool(cursor.fetchone()[0])


@contextmanager
def indexes_after() -> Iterator[None]:
    """Without the plain indexes of tasks while they are loaded: built at the end, in less time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'approvals_approvaltask' "
            "AND indexdef NOT LIKE '%UNIQUE%'"
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        cursor.execute("SET maintenance_work_mem = '256MB'")
        for _, definition in indexes:
            cursor.execute(definition)


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
