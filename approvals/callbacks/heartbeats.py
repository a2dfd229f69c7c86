"""CALLBACK OUT, meanwhile: tell the engines "still waiting" so that no step times out.

Planned in PostgreSQL, claimed in batches, sent by threads outside any transaction. A claim first
moves `due_at` on by a short lease: if this process dies, another one sends soon. The next due time
proper is written after the engine has taken the heartbeat.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection, transaction

from approvals.audit.record import Action, event, record
from approvals.callbacks.pace import LOOK_UP_CALLS, pace_of, spare, take_some
from approvals.engines.base import Fate, Step
from approvals.engines.registry import engine_for
from approvals.errors import CallbackRefused, CountersignError, EngineError, TaskGone
from approvals.models import ApprovalTask, Connection
from approvals.tokens import TaskToken, decrypt

log = structlog.get_logger(__name__)

BATCH = 200

# The lease is 1 to 15 s: three quarters of the planned gap, so that one death in the middle of a
# batch still leaves the engine's own limit (2.5 gaps) untouched.
_CLAIM = """
    WITH batch AS (
        SELECT task_id FROM approvals_heartbeat
        WHERE due_at <= statement_timestamp() ORDER BY due_at LIMIT %s
        FOR UPDATE SKIP LOCKED
    )
    UPDATE approvals_heartbeat AS h
    SET due_at = statement_timestamp()
               + make_interval(secs => least(15, greatest(1, h.every * 0.75)))
    FROM batch, approvals_approvaltask AS t
    WHERE h.task_id = batch.task_id AND t.id = batch.task_id
    RETURNING h.task_id, h.connection_id, h.every, h.due_at,
              t.token_ciphertext, t.execution_id, t.state
"""
# A running outside job that has not been heard of is not kept alive any more. Its step times out
# after the engine's own limit; then the engine is asked (decisions/expire.py).
_SILENT = """
    WITH silent AS (
        SELECT h.task_id, t.heartbeat_seconds
        FROM approvals_heartbeat AS h JOIN approvals_approvaltask AS t ON t.id = h.task_id
             JOIN approvals_gate AS g ON g.id = t.gate_id
        WHERE h.until <= statement_timestamp() AND t.heartbeat_seconds IS NOT NULL
          AND t.status = 'pending' AND g.kind = 'job'
        FOR UPDATE OF h SKIP LOCKED FOR NO KEY UPDATE OF t SKIP LOCKED
    ), removed AS (
        DELETE FROM approvals_heartbeat AS h USING silent WHERE h.task_id = silent.task_id
    )
    UPDATE approvals_approvaltask AS t
    SET expiry_due_at = least(t.expiry_due_at, statement_timestamp()
                              + make_interval(secs => silent.heartbeat_seconds + 2))
    FROM silent WHERE t.id = silent.task_id
    RETURNING t.id
"""
# Nothing below waits for a row that somebody else has in hand, to delete it mostly: batches that
# wait for each other's rows deadlock. What is left so comes round again when its lease runs out.

# Due times are the database's. If its clock was set back, rows seem due later than any plan puts
# them: those are due now. A look at the whole table, which is narrow, so only now and then.
_MEND = """
    UPDATE approvals_heartbeat SET due_at = statement_timestamp()
    WHERE task_id IN (
        SELECT task_id FROM approvals_heartbeat
        WHERE due_at > statement_timestamp() + make_interval(secs => greatest(every, 5) + 1)
        FOR UPDATE SKIP LOCKED
    )
"""
MEND_SECONDS = 5.0
# Whoever lost its lease meanwhile finds another `due_at` and writes nothing.
_PLAN_NEXT = """
    WITH free AS (
        SELECT h.task_id, r.pause, r.error
        FROM unnest(%s::uuid[], %s::timestamptz[], %s::float[], %s::text[])
             AS r(task_id, lease, pause, error)
        JOIN approvals_heartbeat AS h ON h.task_id = r.task_id AND h.due_at = r.lease
        FOR UPDATE OF h SKIP LOCKED
    )
    UPDATE approvals_heartbeat AS h
    SET due_at = statement_timestamp() + make_interval(secs => free.pause),
        sent_at = CASE WHEN free.error = '' THEN statement_timestamp() ELSE h.sent_at END,
        error = free.error
    FROM free WHERE h.task_id = free.task_id
"""
# Nothing was asked: only the next look is planned.
_PUT_OFF = """
    WITH free AS (
        SELECT h.task_id, r.pause
        FROM unnest(%s::uuid[], %s::timestamptz[], %s::float[]) AS r(task_id, lease, pause)
        JOIN approvals_heartbeat AS h ON h.task_id = r.task_id AND h.due_at = r.lease
        FOR UPDATE OF h SKIP LOCKED
    )
    UPDATE approvals_heartbeat AS h
    SET due_at = statement_timestamp() + make_interval(secs => free.pause)
    FROM free WHERE h.task_id = free.task_id
"""


@dataclass(frozen=True, slots=True)
class Due:
    """One claimed heartbeat; `lease` is the `due_at` that the claim wrote."""

    task_id: UUID
    connection_id: int
    every: float
    lease: datetime
    token_ciphertext: bytes
    execution_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Result:
    """What to write for one heartbeat: seconds until the next; `error` blank if it was taken."""

    due: Due
    pause: float
    error: str = ""
    gone: bool = False


class TokenBucket:
    """At most `rate` a second, with a burst of one second. Waits by the monotonic clock."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next = time.monotonic() - 1.0
        self._lock = threading.Lock()

    def take(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - 1.0) + 1.0 / self._rate
            wait = self._next - now
        if wait > 0:
            time.sleep(wait)


_mended_at = float("-inf")


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.HEARTBEAT_THREADS, thread_name_prefix="heartbeat")


@lru_cache(maxsize=256)
def _bucket(connection_id: int) -> TokenBucket:
    return TokenBucket(settings.HEARTBEATS_PER_SECOND)


def send_due(on_gone: Callable[[UUID], None], *, seconds: float = 10.0) -> int:
    """Send what is due, batch by batch, for at most about `seconds`; how many were sent.

    `on_gone(task_id)` is called for each step that the engine says has ended.
    """
    until = time.monotonic() + seconds
    sent = 0
    _mend()
    _leave_silent_jobs()
    while batch := _claim():
        connections = Connection.objects.in_bulk({due.connection_id for due in batch})
        asked = _in_pace(batch, connections)
        to = [connections[due.connection_id] for due in asked]
        results = _send_all(deque(zip(asked, to, strict=True)))
        _write(results)
        for result in results:
            if result.gone:
                on_gone(result.due.task_id)
        sent += len(results)
        if len(batch) < BATCH or time.monotonic() > until:
            break
    return sent


def _mend() -> None:
    global _mended_at  # noqa: PLW0603 - one clock for the process
    if time.monotonic() - _mended_at < MEND_SECONDS:
        return
    _mended_at = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(_MEND)
        if cursor.rowcount:
            log.warning("the clock went back", heartbeats=cursor.rowcount)


@transaction.atomic
def _leave_silent_jobs() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SILENT)
        silent = [task_id for (task_id,) in cursor.fetchall()]
    if silent:
        record(*(event(Action.JOB_SILENT, task=ApprovalTask(pk=task_id)) for task_id in silent))
        log.warning("outside jobs fell silent", count=len(silent))


def _claim() -> list[Due]:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [BATCH])
        return [Due(*row) for row in cursor.fetchall()]


def _in_pace(batch: list[Due], connections: dict[int, Connection]) -> list[Due]:
    """Those of a batch that their engines' quotas leave room for; the others are put off.

    Only engines with a pace cost anything here. Most of the bucket is left for deliveries and for
    tasks whose time is up.
    """
    asked = batch
    for pk, to in connections.items():
        if pace := pace_of(to.kind):
            mine = [due for due in batch if due.connection_id == pk]
            # Many that wait would else take each call that a look-up at a deadline hopes for.
            reserve = spare(pace) + LOOK_UP_CALLS
            taken = take_some(pk, pace, len(mine), reserve=reserve)
            late = mine[taken:]
            _put_off(
                # One after the other, as the quota allows, and not so late that `_MEND` notices.
                (due, min(place / pace.per_second, max(due.every, 5.0)))
                for place, due in enumerate(late, start=1)
            )
            put_off = {due.task_id for due in late}
            asked = [due for due in asked if due.task_id not in put_off]
    return asked


def _put_off(late: Iterable[tuple[Due, float]]) -> None:
    rows = [(due.task_id, due.lease, pause) for due, pause in late]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_PUT_OFF, [list(column) for column in zip(*rows, strict=True)])


def _send_all(waiting: deque[tuple[Due, Connection]]) -> list[Result]:
    """Each thread takes from what waits: a future for every heartbeat would cost a tenth of it."""
    results: list[Result] = []

    def work() -> None:
        while waiting:
            try:
                due, to = waiting.popleft()
            except IndexError:  # another thread has just taken the last
                return
            results.append(_send(due, to))

    jobs = [_threads().submit(work) for _ in range(min(len(waiting), settings.HEARTBEAT_THREADS))]
    for job in jobs:
        job.result()
    return results


def _send(due: Due, to: Connection) -> Result:
    """One heartbeat; runs in a thread and touches no database."""
    soon = min(5.0, due.every / 4)
    try:
        engine = engine_for(to.config)
        step = Step(due.execution_id, due.state, TaskToken(decrypt(due.token_ciphertext)))
        _bucket(due.connection_id).take()
        engine.heartbeat(step)
    except TaskGone:
        return Result(due, soon, gone=True)
    except CallbackRefused as error:
        # "Invalid token" may be what is said of a step that ended; its execution knows.
        try:
            fate = engine.find_out(step, "")
        except EngineError:
            fate = Fate.UNKNOWN
        return Result(due, due.every, error=str(error), gone=fate == Fate.OTHERWISE)
    except Exception as error:  # one bad row must not keep the other 199 from being written
        if not isinstance(error, CountersignError):
            log.error("heartbeat failed", task=str(due.task_id), exc_info=error)
        return Result(due, soon, error=str(error) or type(error).__name__)
    return Result(due, due.every * random.uniform(0.85, 1.0))  # noqa: S311 - no secret


def _write(results: list[Result]) -> None:
    for result in results:
        if result.error:
            log.warning("heartbeat not taken", task=str(result.due.task_id), error=result.error)
    with connection.cursor() as cursor:
        cursor.execute(
            _PLAN_NEXT,
            [
                [result.due.task_id for result in results],
                [result.due.lease for result in results],
                [result.pause for result in results],
                [result.error[:300] for result in results],
            ],
        )
