"""Executions that end take their tasks along, whichever of the two is heard of first."""

import datetime as dt
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals import jobs
from approvals.decisions import ended
from approvals.decisions.decide import decide
from approvals.decisions.expire import TIME_RAN_OUT, WORKFLOW_ENDED
from approvals.errors import AlreadySettled
from approvals.intake import quarantine
from approvals.intake.accept import accept
from approvals.models import (
    ApprovalTask,
    AuditEvent,
    Decision,
    EndedExecution,
    Heartbeat,
    QuarantinedMessage,
    Source,
)
from approvals.states import TaskStatus, Verdict
from tests.concurrency import at_once
from tests.conftest import person
from tests.factories import ConnectionFactory, SourceFactory, message
from tests.intake.test_executions import EXECUTION, STARTED, STOPPED, at, status_event

PENDING, CANCELLED, EXPIRED = TaskStatus.PENDING, TaskStatus.CANCELLED, TaskStatus.EXPIRED
OTHER = EXECUTION.replace("4711", "4712")
AFTERWARDS = STOPPED + 90_000
NO_ENTRY = 0


def asking(execution: str = EXECUTION, entered: int = STARTED, **fields: Any) -> str:
    """A message from a state of the execution that was entered then (in ms)."""
    state = {"State": {"EnteredTime": at(entered).isoformat()}} if entered else {}
    context = {"Execution": {"Id": execution}, **state}
    return message(gate="refunds", context=context, **fields)


def told(status: str = "ABORTED", execution: str = EXECUTION, **detail: Any) -> str:
    return json.dumps(status_event(status, executionArn=execution, **detail))


def redriven(at_ms: int = AFTERWARDS) -> str:
    return told("RUNNING", stopDate=None, redriveCount=1, redriveDate=at_ms)


def take(source: Source, *bodies: str) -> list[ApprovalTask]:
    """Accept them; the tasks that came of them, as they stand now."""
    ids = [acceptance.task_id for acceptance in accept(source, bodies)]
    return [ApprovalTask.objects.get(pk=pk) for pk in ids if pk]


def status_of(task: ApprovalTask) -> str:
    return ApprovalTask.objects.get(pk=task.pk).status


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
def test_the_task_of_an_execution_that_ended_leaves_the_inbox(gate, source, alice, status):
    [task, other] = take(source, asking(), asking(OTHER))
    assert Heartbeat.objects.filter(task=task).exists()

    assert take(source, told(status)) == []

    task.refresh_from_db()
    assert (task.status, task.settled_reason) == (CANCELLED, WORKFLOW_ENDED)
    assert task.settled_at is not None
    assert not Heartbeat.objects.filter(task=task).exists()
    event = AuditEvent.objects.get(task=task, action="ended")
    assert event.data == {"execution": status}
    with pytest.raises(AlreadySettled, match="workflow ended"):
        decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
    assert status_of(other) == PENDING
    assert Heartbeat.objects.filter(task=other).exists()


def test_a_task_whose_message_comes_after_the_end_never_waits(gate, source):
    take(source, told())
    body = asking()
    [first] = accept(source, [body])
    assert first.is_new
    task = ApprovalTask.objects.get(pk=first.task_id)
    assert (task.status, task.settled_reason) == (CANCELLED, WORKFLOW_ENDED)
    assert not Heartbeat.objects.exists()
    assert [event.action for event in AuditEvent.objects.filter(task=task)] == ["received", "ended"]

    [again] = accept(source, [body])
    assert (again.task_id, again.is_new) == (task.pk, False)
    assert AuditEvent.objects.filter(task=task).count() == 2


@pytest.mark.parametrize("order", [1, -1])
def test_the_end_and_the_message_may_come_in_one_batch(gate, source, order):
    [task] = take(source, *[told(), asking()][::order])
    assert task.status == CANCELLED


def test_a_step_without_the_time_of_its_entry_goes_as_well(gate, source):
    [early] = take(source, asking(entered=NO_ENTRY))
    take(source, told())
    [late] = take(source, asking(entered=NO_ENTRY))
    assert (status_of(early), late.status) == (CANCELLED, CANCELLED)


def test_a_task_whose_time_had_run_out_by_then_is_called_expired(gate, source):
    minute = asking(timeoutSeconds=60)  # it ended half a second later
    [early, patient] = take(source, minute, asking(timeoutSeconds=3600))
    take(source, told("TIMED_OUT"))
    [late] = take(source, asking(timeoutSeconds=60))
    early.refresh_from_db()
    assert (early.status, early.settled_reason) == (EXPIRED, TIME_RAN_OUT)
    assert AuditEvent.objects.filter(task=early, action="expired").exists()
    assert (late.status, status_of(patient)) == (EXPIRED, CANCELLED)


def test_what_was_decided_before_stays_as_it_was(gate, source, alice):
    [task] = take(source, asking())
    decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
    take(source, told())
    assert status_of(task) == TaskStatus.APPROVED
    assert Heartbeat.objects.filter(task=task).exists(), "until the engine has its answer"


def test_an_execution_of_another_connection_is_another_execution(gate, source):
    elsewhere = SourceFactory(connection=ConnectionFactory())
    [task] = take(source, asking())
    take(elsewhere, told())
    assert status_of(task) == PENDING
    [late] = take(source, asking())
    assert late.status == PENDING


@pytest.mark.parametrize("word", ["RUNNING", "PENDING_REDRIVE"])
def test_only_an_end_ends_anything(gate, source, word):
    [task] = take(source, asking())
    take(source, told(word))
    [late] = take(source, asking())
    assert (status_of(task), late.status) == (PENDING, PENDING)
    assert not EndedExecution.objects.exists()


def test_after_a_redrive_tasks_wait_again(gate, source):
    [first] = take(source, asking())
    take(source, told())
    take(source, redriven())
    [second] = take(source, asking(entered=AFTERWARDS + 10))
    [nameless] = take(source, asking(entered=NO_ENTRY))
    assert (status_of(first), second.status, nameless.status) == (CANCELLED, PENDING, PENDING)

    take(source, told("FAILED", stopDate=AFTERWARDS + 60_000))
    assert {status_of(task) for task in (second, nameless)} == {CANCELLED}


def test_a_step_entered_after_the_end_waits_though_nobody_told_of_the_redrive(gate, source):
    take(source, told())
    [task] = take(source, asking(entered=AFTERWARDS))
    assert task.status == PENDING
    take(source, told())
    assert status_of(task) == PENDING


@pytest.mark.parametrize("entered", [STARTED, NO_ENTRY], ids=["first-entry", "no-entry"])
def test_a_step_asked_anew_by_a_redrive_waits_though_its_message_is_first(gate, source, entered):
    """Nothing in the message says so; the queue knows that it was sent after the end."""
    take(source, told())
    late, anew = [
        accept(source, [asking(entered=entered)], [at(sent)])[0].task_id
        for sent in (STARTED + 100, AFTERWARDS)
    ]
    take(source, told(), redriven())
    status = dict(ApprovalTask.objects.values_list("pk", "status"))
    assert (status[late], status[anew]) == (CANCELLED, PENDING)


@pytest.mark.parametrize("together", [True, False])
def test_words_that_come_late_or_again_change_nothing(gate, source, together):
    words = [redriven(), told(), redriven(), told()]
    [task] = take(source, asking(entered=AFTERWARDS + 10))
    [nameless] = take(source, asking(entered=NO_ENTRY))
    for batch in [words] if together else [[word] for word in words]:
        take(source, *batch)
    assert (status_of(task), status_of(nameless)) == (PENDING, PENDING)
    assert EndedExecution.objects.get().status == "RUNNING"


def test_an_end_told_twice_is_one_event(gate, source):
    [task] = take(source, asking())
    take(source, told(), told())
    take(source, told())
    assert AuditEvent.objects.filter(task=task, action="ended").count() == 1
    assert EndedExecution.objects.count() == 1


def test_a_batch_costs_the_same_whatever_it_holds(gate, source):
    def queries(count: int, first: int) -> int:
        executions = [f"{EXECUTION}-{first + number}" for number in range(count)]
        take(source, *map(asking, executions))
        with CaptureQueriesContext(
            database,
        ) as captured:
            accept(source, [told(execution=execution) for execution in executions])
        return len(captured)

    assert queries(1, first=0) == queries(10, first=100)
    assert not ApprovalTask.objects.pending().exists()


def test_what_no_message_can_wait_for_is_forgotten_after_fifteen_days(gate, source):
    take(source, told(), told(execution=OTHER))
    old = EndedExecution.objects.filter(execution_id=EXECUTION)
    old.update(received_at=dt.datetime.now(dt.UTC) - dt.timedelta(days=15, minutes=1))
    jobs.forget_ended_executions()
    assert EndedExecution.objects.get().execution_id == OTHER


def in_transaction(first: Callable[[], object], entered: threading.Event, go: threading.Event):
    """`first` in a transaction that stays open until `go`."""
    try:
        with transaction.atomic():
            first()
            entered.set()
            go.wait(timeout=30)
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end_first", [True, False])
def test_the_end_and_the_message_at_the_same_moment_leave_nothing_waiting(gate, source, end_first):
    """Each in a transaction of its own, the second beginning before the first commits."""
    bodies = [told(), asking()][:: 1 if end_first else -1]
    entered, go = threading.Event(), threading.Event()
    first = threading.Thread(
        target=in_transaction, args=(lambda: accept(source, bodies[:1]), entered, go)
    )
    second = threading.Thread(
        target=in_transaction, args=(lambda: accept(source, bodies[1:]), threading.Event(), go)
    )
    first.start()
    assert entered.wait(timeout=20)
    second.start()
    try:
        _wait_for_a_lock()
    finally:
        go.set()
        first.join(timeout=20)
        second.join(timeout=20)
    assert ApprovalTask.objects.get().status == CANCELLED


def _wait_for_a_lock() -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with database.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("the second did not wait for the first")


@pytest.mark.django_db(transaction=True)
def test_messages_of_one_execution_do_not_wait_for_each_other(gate, source):
    with transaction.atomic():
        accept(source, [asking()])
        [result] = at_once(lambda: accept(source, [asking()]))
    assert not isinstance(result, Exception)
    assert ApprovalTask.objects.pending().count() == 2


@pytest.mark.django_db(transaction=True)
def test_many_ends_messages_and_decisions_at_once_never_wait_crosswise(gate, source, alice):
    executions = [f"{EXECUTION}-{number}" for number in range(6)]
    bodies = [asking(execution) for execution in executions]
    tasks = take(source, *bodies)
    ends = [told(execution=execution) for execution in executions]

    def decisions() -> None:
        for task in tasks:
            try:
                decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
            except AlreadySettled:
                continue

    results = at_once(
        lambda: accept(source, ends),
        lambda: accept(source, [*ends[::-1], *bodies]),
        lambda: accept(source, [*bodies[::-1], asking(executions[0])]),
        decisions,
    )
    assert [result for result in results if isinstance(result, Exception)] == []
    assert not ApprovalTask.objects.pending().exists()


def test_a_source_that_is_not_believed_ends_nothing_until_it_is(gate, source, olive):
    [task] = take(source, asking())
    Source.objects.filter(pk=source.pk).update(tells_of_executions=False)
    source.refresh_from_db()
    [acceptance] = accept(source, [told()])
    assert acceptance.problem.code == "news_not_taken"
    assert status_of(task) == PENDING
    held = QuarantinedMessage.objects.get()
    Source.objects.filter(pk=source.pk).update(tells_of_executions=True)
    quarantine.replay(held.pk, actor=olive)
    assert status_of(task) == CANCELLED


def test_news_from_the_future_do_not_outrank_all_that_come_later(gate, source):
    take(source, told(stopDate=4_102_444_800_000))  # in 2100
    assert EndedExecution.objects.get().ended_at <= timezone.now() + ended.CLOCK_SKEW
