"""Whoever decides about tasks holds them; whoever only refers to them never waits for that.

So nobody waits crosswise: PostgreSQL would end one of them after a second, and what it had in hand
(a mail that had gone out, the engine's answer) would have to be done again.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models.functions import Now

from approvals.audit.record import Action, event, record
from approvals.callbacks import heartbeats, outbox as callbacks
from approvals.decisions import expire
from approvals.decisions.decide import decide, lock
from approvals.decisions.retally import retally_later
from approvals.decisions.undo import make_final
from approvals.intake.accept import accept
from approvals.models import (
    ApprovalTask,
    AuditEvent,
    Callback,
    Decision,
    Gate,
    Heartbeat,
    Notice,
    Source,
    Timer,
    User,
)
from approvals.notices import expand
from approvals.outside_jobs.claim import start_by_hand
from approvals.states import AttemptResult, CallbackStatus, TaskStatus, Verdict
from approvals.timers import fire
from tests.concurrency import at_once
from tests.conftest import person
from tests.decisions.test_ended import EXECUTION, asking, told
from tests.factories import message, task_for

INBOX = Decision.Via.INBOX
PENDING = TaskStatus.PENDING

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _mails_go_somewhere(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def retried(number: int, run: str = EXECUTION) -> str:
    state = {"Name": "Approve", "RetryCount": number}
    context = {"Execution": {"Id": run}, "State": state}
    return message(gate="refunds", title="Refund", context=context)


# --- who holds tasks -----------------------------------------------------------------------------


def decides(task: ApprovalTask, source: Source, alice: User) -> None:
    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)


def supersedes(task: ApprovalTask, source: Source, alice: User) -> None:
    accept(source, [retried(1)])
    task.refresh_from_db()
    assert task.status == TaskStatus.SUPERSEDED


def hears_of_its_end(task: ApprovalTask, source: Source, alice: User) -> None:
    accept(source, [told()])
    task.refresh_from_db()
    assert task.status != PENDING


def retires(task: ApprovalTask, source: Source, alice: User) -> None:
    expire.retire(task.pk)


def asks_about_its_deadline(task: ApprovalTask, source: Source, alice: User) -> None:
    ApprovalTask.objects.filter(pk=task.pk).update(expiry_due_at=Now())
    assert expire.expire_due() == 1


def fires(task: ApprovalTask, source: Source, alice: User) -> None:
    Timer.objects.create(task=task, kind=Timer.Kind.REMIND, at=Now())
    assert fire.due() == 1


def makes_final(task: ApprovalTask, source: Source, alice: User) -> None:
    Gate.objects.update(undo_seconds=60)
    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)
    ApprovalTask.objects.update(settles_at=Now())
    assert make_final(task.pk)


def starts_its_job(task: ApprovalTask, source: Source, alice: User) -> None:
    Gate.objects.update(kind=Gate.Kind.JOB)
    start_by_hand(task.pk, person(alice))


def leaves_its_job(task: ApprovalTask, source: Source, alice: User) -> None:
    Gate.objects.update(kind=Gate.Kind.JOB)
    ApprovalTask.objects.update(heartbeat_seconds=60)
    Heartbeat.objects.update(until=Now())
    heartbeats._leave_silent_jobs()
    assert AuditEvent.objects.filter(action=Action.JOB_SILENT).exists()


@contextmanager
def nobody_waits() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
    try:
        yield
    finally:
        connections.close_all()


@pytest.mark.parametrize(
    "holds",
    [
        decides,
        supersedes,
        hears_of_its_end,
        retires,
        asks_about_its_deadline,
        fires,
        makes_final,
        starts_its_job,
        leaves_its_job,
    ],
    ids=lambda one: one.__name__,
)
def test_nobody_who_only_refers_to_a_task_waits_for_who_holds_it(source, gate, alice, bob, holds):
    [accepted] = accept(source, [retried(0)])
    task = ApprovalTask.objects.get(pk=accepted.task_id)
    told_before = Notice.objects.filter(task=task)

    def refers() -> tuple[int, int]:
        with nobody_waits():
            expand.expand_due()
            with transaction.atomic():
                record(event(Action.MAILED, task=task))
                retally_later(gate)
            return told_before.count(), task.timers.filter(kind=Timer.Kind.RETALLY).count()

    held = {}
    with transaction.atomic():
        holds(task, source, alice)
        thread = threading.Thread(target=lambda: held.update(said=refers()))
        thread.start()
        thread.join(timeout=20)
        assert held["said"][1] == 1
        if holds is not makes_final:
            assert held["said"][0] == 2


def test_an_answer_that_arrives_as_the_step_is_found_to_be_over_is_written_down(
    source, gate, alice
):
    """The engine took the answer; so a heartbeat that was under way is refused."""
    task = task_for(gate, source)
    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)
    lease = callbacks.take(task.callback.pk)
    assert lease
    holds, written = threading.Event(), threading.Event()

    def delivered() -> bool:
        with transaction.atomic():
            done = callbacks.finish(lease, CallbackStatus.DELIVERED, result=AttemptResult.DELIVERED)
            written.set()
            holds.wait(timeout=5)
        return done

    def gone() -> None:
        written.wait(timeout=5)
        with transaction.atomic():
            lock(task.pk)
            holds.set()
            expire.retire(task.pk)

    done, nothing = at_once(delivered, gone)
    assert (done, nothing) == (True, None)
    assert Callback.objects.get(task=task).status == CallbackStatus.DELIVERED


def test_batches_that_end_what_the_others_ask_anew_never_wait_crosswise(source, gate):
    """Each holds the task of an execution that ended, and wants the one that the other holds."""
    for number in range(10):
        runs = [f"{EXECUTION}-{number}-{which}" for which in "ab"]
        keys = [f"key-{number}-{which}" for which in "ab"]
        for run, key in zip(runs, keys, strict=True):
            accept(source, [asking(run, dedupeKey=key)])
        results = at_once(
            *(
                lambda run=run, key=key: accept(
                    source, [told(execution=run), message(gate="refunds", dedupeKey=key)]
                )
                for run, key in zip(runs, reversed(keys), strict=True)
            )
        )
        assert not [one for one in results if isinstance(one, Exception)], results
    assert ApprovalTask.objects.pending().count() == 20
