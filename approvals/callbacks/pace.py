"""CALLBACK OUT, not too fast: an engine's quota, shared by all processes, kept in PostgreSQL.

`Connection.paced_until` is when the bucket would be full again if nothing more were taken (GCRA).
One statement under the row's lock takes calls from it, by the database's clock. Only engines with
a `pace` come here; nobody waits with a thread: what finds no call free is put off.
"""

import random
from functools import lru_cache
from uuid import UUID

from django.db import connection

from approvals.engines.base import Pace
from approvals.engines.registry import kind_of
from approvals.errors import EngineUnavailable

PLANNED = 300.0  # seconds ahead in which each callback has a turn of its own
LOOK_UP_CALLS = 2  # the execution, and a page of its history

# A clock that was set back must not lock the bucket: it is never emptier than empty.
_TAKE = """
    WITH quota AS (
        SELECT %(rate)s::float8 AS rate, %(burst)s::float8 AS burst, statement_timestamp() AS now
    ), bucket AS (
        SELECT e.id, rate, burst - %(reserve)s::float8 AS most, now, greatest(now, least(
                   coalesce(paced_until, now), now + make_interval(secs => burst / rate)
               )) AS until
        FROM approvals_connection AS e, quota WHERE e.id = %(connection)s
        FOR NO KEY UPDATE OF e
    ), room AS (
        SELECT id, rate, until,
               most - rate * extract(epoch FROM until - now)::float8 + 0.000001 AS free
        FROM bucket
    ), share AS (
        SELECT id, rate, until, free,
               CASE WHEN free < %(least)s THEN 0
                    ELSE least(%(wanted)s, floor(free)::int) END AS taken
        FROM room
    )
    UPDATE approvals_connection AS e
    SET paced_until = share.until + make_interval(secs => share.taken / share.rate)
    FROM share WHERE e.id = share.id
    RETURNING share.taken, (%(least)s - share.free) / share.rate
"""
# How many callbacks of the same engine come before this one; counted up to a bound.
_PLACE = """
    SELECT count(*) FROM (
        SELECT FROM approvals_callback AS c
        JOIN approvals_approvaltask AS t ON t.id = c.task_id
        WHERE c.status = 'due' AND c.id < %s AND t.connection_id = %s LIMIT %s
    ) AS older
"""
_ENGINE = """
    SELECT e.id, e.kind FROM approvals_callback AS c
    JOIN approvals_approvaltask AS t ON t.id = c.task_id
    JOIN approvals_connection AS e ON e.id = t.connection_id
    WHERE c.id = %s AND c.status = 'due' AND c.due_at <= statement_timestamp()
"""
_PUT_OFF = """
    UPDATE approvals_callback SET due_at = statement_timestamp() + make_interval(secs => %s)
    WHERE id = %s AND status = 'due'
"""


@lru_cache(maxsize=32)
def pace_of(kind: str) -> Pace | None:
    """The pace of an engine by its kind; None where there is none to keep."""
    try:
        return kind_of(kind).pace
    except EngineUnavailable:
        return None


def try_take(connection_id: int, pace: Pace, *, calls: int = 1, reserve: float = 0.0) -> float:
    """Take so many calls at once, leaving `reserve` in the bucket: 0.0, or the seconds until they
    would be free, with nothing taken."""
    taken, wait = _take(connection_id, pace, calls, calls, reserve)
    return 0.0 if taken else wait


def take_some(connection_id: int, pace: Pace, wanted: int, *, reserve: float = 0.0) -> int:
    """Take up to `wanted` calls, leaving `reserve` in the bucket; how many there were."""
    return _take(connection_id, pace, 1, wanted, reserve)[0]


def spare(pace: Pace) -> float:
    """What look-ups leave in the bucket for deliveries."""
    return pace.burst / 2


def must_wait(callback_id: UUID) -> bool:
    """Whether a due callback was put off since its engine's quota is spent; else a call is taken.

    Callbacks line up by age, each put off to about its turn, so that a thousand of them are not all
    looked at again every time one call is free. Those far behind come back at any time after that.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ENGINE, [callback_id])
        engine = cursor.fetchone()
        if engine is None or (pace := pace_of(engine[1])) is None:
            return False
        wait = try_take(engine[0], pace)
        if not wait:
            return False
        most = int(PLANNED * pace.per_second)
        cursor.execute(_PLACE, [callback_id, engine[0], most])
        place = cursor.fetchone()[0]
        roll = random.random()  # noqa: S311 - no secret
        turn = wait + place / pace.per_second + roll * (1 if place < most else 2 * PLANNED)
        cursor.execute(_PUT_OFF, [turn, callback_id])
    return True


def _take(
    connection_id: int, pace: Pace, least: int, wanted: int, reserve: float
) -> tuple[int, float]:
    """How many calls were taken, and if there were fewer than `least`, when these will be free."""
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "connection": connection_id,
                "rate": pace.per_second,
                "burst": pace.burst,
                "least": least,
                "wanted": wanted,
                "reserve": reserve,
            },
        )
        taken, wait = cursor.fetchone()
    return taken, max(wait, 0.001)
