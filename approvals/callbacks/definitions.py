"""CALLBACK OUT, meanwhile: times that a message does not say, read from the state's definition.

Rows of PostgreSQL, claimed in batches by a short lease, asked about outside any transaction. What
a message says goes before the definition, the definition before the gate, whose times stand until
then and wherever nothing can be read.
"""

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import structlog
from django.db import transaction
from django.db.models.functions import Now

from approvals import wake
from approvals.audit.record import Action, event, record
from approvals.callbacks.backoff import pause
from approvals.callbacks.deliver import OPERATOR_FIRST
from approvals.callbacks.times import EXPIRY_GRACE, seconds_between_heartbeats
from approvals.engines.base import Step, Times
from approvals.engines.registry import engine_for
from approvals.errors import CallbackRefused, CountersignError
from approvals.models import ApprovalTask, DefinitionLookup, Heartbeat, OutsideJob
from approvals.timers.plan import plan_deadline

log = structlog.get_logger(__name__)

# The job in approvals/jobs.py, by name: rooms do not know who calls them.
READ = "approvals.read_definitions"
BATCH = 50
LEASE = dt.timedelta(seconds=60)
THREADS = 8  # one a connection, so that none waits for another's engine
REFUSALS = 3  # of one state's definition, then the gate's times stand
MOST_FAILURES = 1000  # counted

Answer = Times | CountersignError


def plan(lookups: Sequence[DefinitionLookup]) -> None:
    """Write down what is to be read; a worker hears of it when the transaction commits."""
    if not lookups:
        return
    DefinitionLookup.objects.bulk_create(lookups)
    wake.after_commit(READ)


def read_due(*, seconds: float = 10.0) -> int:
    """Read what is due until nothing is, for some `seconds`; how many were asked about."""
    until = time.monotonic() + seconds
    asked = 0
    while lookups := _claim():
        by_connection: dict[int, list[DefinitionLookup]] = defaultdict(list)
        for lookup in lookups:
            by_connection[lookup.connection_id].append(lookup)
        with ThreadPoolExecutor(min(len(by_connection), THREADS)) as threads:
            jobs = [threads.submit(_ask, group) for group in by_connection.values()]
            for job in as_completed(jobs):
                for lookup, answer in job.result():
                    _write(lookup, answer)
        asked += len(lookups)
        if len(lookups) < BATCH or time.monotonic() > until:
            break
    return asked


@transaction.atomic
def _claim() -> list[DefinitionLookup]:
    lookups = list(
        DefinitionLookup.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("connection", "task")
        .filter(due_at__lte=Now())
        .order_by("due_at")
        .defer("task__payload", "task__summary", "task__links", "task__search")
        .defer("task__token_ciphertext", "task__token_digest")[:BATCH]
    )
    DefinitionLookup.objects.filter(pk__in=[one.pk for one in lookups]).update(due_at=Now() + LEASE)
    return lookups


def _ask(lookups: Sequence[DefinitionLookup]) -> list[tuple[DefinitionLookup, Answer]]:
    """About tasks of one connection; runs in a thread and touches no database.

    Whatever makes the engine unavailable for one does so for those behind it.
    """
    answers: dict[Step, Answer] = {}
    unavailable: CountersignError | None = None
    for lookup in lookups:
        step = _step(lookup)
        if step not in answers:
            answer = answers[step] = unavailable or _times(lookup, step)
            if not isinstance(answer, Times | CallbackRefused):
                unavailable = answer
    return [(lookup, answers[_step(lookup)]) for lookup in lookups]


def _times(lookup: DefinitionLookup, step: Step) -> Answer:
    try:
        return engine_for(lookup.connection.config).times(step)
    except CountersignError as error:
        return error
    except Exception as error:  # one bad row must not keep the others from being written
        log.error("times not read", task=str(lookup.pk), exc_info=error)
        return CallbackRefused(f"A bug of ours ({type(error).__name__}).")


def _step(lookup: DefinitionLookup) -> Step:
    return Step(lookup.task.execution_id, lookup.task.state)


def _write(lookup: DefinitionLookup, answer: Answer) -> None:
    if isinstance(answer, Times):
        _apply(lookup, answer)
        return
    failures = min(lookup.failures + 1, MOST_FAILURES)
    given_up = isinstance(answer, CallbackRefused) and failures >= REFUSALS
    log.warning("times not read", task=str(lookup.pk), error=str(answer), given_up=given_up)
    mine = DefinitionLookup.objects.filter(pk=lookup.pk)
    if given_up or not lookup.task.is_pending:
        mine.delete()
        return
    slow = getattr(answer, "code", "").startswith(OPERATOR_FIRST)
    wait = dt.timedelta(seconds=pause(failures, slow=slow))
    mine.update(failures=failures, due_at=Now() + wait)


@transaction.atomic
def _apply(lookup: DefinitionLookup, times: Times) -> None:
    """Once: whoever comes second finds the row gone."""
    task = (
        ApprovalTask.objects.select_for_update(of=("self",), no_key=True)
        .without_secrets()
        .defer("payload", "summary", "links")
        .get(pk=lookup.pk)
    )
    deleted, _ = DefinitionLookup.objects.filter(pk=lookup.pk).delete()
    heartbeat = times.heartbeat_seconds if lookup.wants_heartbeat else None
    timeout = times.timeout_seconds if lookup.wants_timeout else None
    if not (deleted and task.is_pending and (heartbeat or timeout)):
        return
    read = {"HeartbeatSeconds": heartbeat, "TimeoutSeconds": timeout}
    if timeout:
        # A state that is tried again was entered before; its clock starts anew with each try.
        since = task.received_at if task.retry_count else task.entered_at or task.received_at
        task.deadline = since + dt.timedelta(seconds=timeout)
        task.expiry_due_at = task.deadline + EXPIRY_GRACE
    if heartbeat:
        task.heartbeat_seconds = heartbeat
        _keep_alive(task, lookup)
    task.save(update_fields=["heartbeat_seconds", "deadline", "expiry_due_at"])
    if timeout:
        plan_deadline(task)
    said = ", ".join(f"{name} {seconds}" for name, seconds in read.items() if seconds)
    record(event(Action.TIMES_READ, task=task, detail=said))


def _keep_alive(task: ApprovalTask, lookup: DefinitionLookup) -> None:
    """From now on at the state's own pace; who has one in hand finds it due again."""
    connection = lookup.connection
    execution = task.execution_id
    every = seconds_between_heartbeats(connection, execution, task.heartbeat_seconds)
    beating = Heartbeat.objects.filter(task=task).update(every=every, due_at=Now())
    # Where there was one and is none, it has been taken away: the step is over, or the job silent.
    if not beating and every and not seconds_between_heartbeats(connection, execution, None):
        running = OutsideJob.objects.filter(task=task, claimed_at__isnull=False)
        silence = running.values_list("gate__job_silence_seconds", flat=True).first()
        Heartbeat.objects.create(
            task=task,
            connection=connection,
            every=every,
            until=Now() + dt.timedelta(seconds=silence) if silence else None,
        )
