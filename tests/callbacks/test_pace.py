"""No engine is called more often than its quota allows, and nobody else waits for it."""

import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection, connections
from django.db.models.functions import Now
from django.utils import timezone

from approvals.callbacks import heartbeats, pace
from approvals.callbacks.deliver import deliver
from approvals.callbacks.reconcile import reconcile
from approvals.decisions.decide import decide
from approvals.decisions.expire import expire_due
from approvals.engines.base import Pace
from approvals.engines.cloudflow import CloudFlow
from approvals.jobs import expire_tasks, send_heartbeats, sweep_callbacks
from approvals.models import ApprovalTask, Callback, Connection, Decision, Gate, Heartbeat, Source
from approvals.states import CallbackStatus, TaskStatus, Verdict
from approvals.tokens import encrypt
from demo.alibaba.flows import State, flow_of
from demo.alibaba.server import Alibaba
from tests.concurrency import at_once
from tests.conftest import person
from tests.factories import ConnectionFactory, SourceFactory, task_for

# So slow that nothing refills while a test runs; one call takes a hundred seconds.
QUOTA = Pace(per_second=0.01, burst=10)
ONE = 100.0
REPORT, LOOK = "ReportTaskSucceeded", "DescribeExecution"


@pytest.fixture
def bucket(db: None) -> int:
    return ConnectionFactory().pk


def spend(bucket: int, calls: int = QUOTA.burst) -> None:
    assert pace.try_take(bucket, QUOTA, calls=calls) == 0.0


def later(bucket: int, seconds: float) -> None:
    """Let time go by without waiting for it."""
    Connection.objects.filter(pk=bucket).update(
        paced_until=Connection.objects.get(pk=bucket).paced_until - dt.timedelta(seconds=seconds)
    )


# --- the bucket ----------------------------------------------------------------------------------


def test_a_full_bucket_gives_its_burst_and_then_so_many_a_second(bucket):
    assert [pace.try_take(bucket, QUOTA) for _ in range(10)] == [0.0] * 10
    assert 0.7 * ONE < pace.try_take(bucket, QUOTA) <= ONE
    later(bucket, ONE)
    assert pace.try_take(bucket, QUOTA) == 0.0
    assert pace.try_take(bucket, QUOTA) > 0


def test_several_calls_are_taken_together_or_not_at_all(bucket):
    spend(bucket, 9)
    assert pace.try_take(bucket, QUOTA, calls=3) > 1.5 * ONE
    assert pace.try_take(bucket, QUOTA) == 0.0, "nothing was taken"


def test_a_bucket_that_was_left_alone_holds_no_more_than_its_burst(bucket):
    spend(bucket)
    later(bucket, 1_000_000)
    assert pace.take_some(bucket, QUOTA, 100) == 10


def test_what_is_reserved_is_left_for_others(bucket):
    assert pace.take_some(bucket, QUOTA, 100, reserve=5) == 5
    assert pace.take_some(bucket, QUOTA, 100, reserve=5) == 0
    assert pace.try_take(bucket, QUOTA, reserve=5) > 0
    assert pace.take_some(bucket, QUOTA, 100) == 5


def test_a_clock_that_was_set_back_locks_nothing_for_long(bucket):
    Connection.objects.filter(pk=bucket).update(paced_until=Now() + dt.timedelta(days=1))
    assert 0 < pace.try_take(bucket, QUOTA) <= ONE, "as if it had just been emptied"
    later(bucket, ONE)
    assert pace.try_take(bucket, QUOTA) == 0.0


def test_connections_have_buckets_of_their_own(bucket):
    spend(bucket)
    assert pace.try_take(ConnectionFactory().pk, QUOTA) == 0.0


def test_threads_that_take_at_once_never_take_more_than_there_is(transactional_db):
    bucket = ConnectionFactory().pk

    def take() -> int:
        return sum(pace.try_take(bucket, QUOTA) == 0.0 for _ in range(40))

    assert sum(at_once(*[take] * 6)) == 10


PROCESS = """
import django, sys, time
django.setup()
from approvals.callbacks import pace
from approvals.engines.base import Pace
from approvals.engines.cloudflow import CloudFlow
bucket, until, taken = int(sys.argv[1]), time.monotonic() + 2, 0
while time.monotonic() < until:
    taken += pace.try_take(bucket, Pace(per_second=0.01, burst=10)) == 0.0
    time.sleep(0.01)
print(taken)
"""


def test_processes_share_one_quota(transactional_db):
    bucket = ConnectionFactory().pk
    name = connection.settings_dict["NAME"]
    address = os.environ["DATABASE_URL"].replace("/countersign?", f"/{name}?")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(bucket)],
            env=os.environ | {"DATABASE_URL": address},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    taken = sum(int(process.communicate(timeout=60)[0]) for process in processes)
    assert taken == 10


# --- CloudFlow beside Step Functions -------------------------------------------------------------


@pytest.fixture
def alibaba() -> Iterator[Alibaba]:
    with Alibaba() as account:
        account.cloudflow.add_flow(flow_of(State("Approve")))
        yield account


@pytest.fixture
def quota(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Pace], None]]:
    def is_now(quota: Pace) -> None:
        monkeypatch.setattr(CloudFlow, "pace", quota)
        pace.pace_of.cache_clear()

    is_now(QUOTA)
    yield is_now
    pace.pace_of.cache_clear()


@pytest.fixture
def flows(db: None, alibaba: Alibaba, quota: object) -> Source:
    return SourceFactory(
        connection=ConnectionFactory(
            kind="cloudflow",
            region="cn-hangzhou",
            endpoint_url=alibaba.url,
            key_id=alibaba.key.id,
            secret_ciphertext=encrypt(alibaba.key.secret),
        )
    )


def waits(alibaba: Alibaba, flows: Source, gate: Gate) -> ApprovalTask:
    """A task whose step waits in the stand-in."""
    run = alibaba.cloudflow.start("refunds")
    [token] = alibaba.cloudflow.tokens(run)
    context = {"Flow": {"Name": "refunds"}, "Execution": {"Name": run.name}}
    return task_for(gate, flows, taskToken=token, context=context)


def approve(task: ApprovalTask, user) -> Callback:
    decide(task.pk, person(user), Verdict.APPROVE, via=Decision.Via.INBOX)
    return Callback.objects.get(task=task)


def calls(alibaba: Alibaba, action: str) -> int:
    return sum(call.action == action for call in alibaba.cloudflow.calls)


def test_a_spent_quota_puts_an_answer_off_without_an_attempt(alibaba, flows, gate, alice):
    callback = approve(waits(alibaba, flows, gate), alice)
    spend(flows.connection_id)

    assert deliver(callback.pk) == CallbackStatus.DUE

    callback.refresh_from_db()
    assert (callback.attempts.count(), callback.failures, calls(alibaba, REPORT)) == (0, 0, 0)
    assert 0 < (callback.due_at - timezone.now()).total_seconds() < ONE + 2
    later(flows.connection_id, ONE)
    Callback.objects.update(due_at=Now())
    assert deliver(callback.pk) == CallbackStatus.DELIVERED


def test_answers_line_up_by_age_each_put_off_to_its_turn(alibaba, flows, gate, alice, quota):
    quota(Pace(per_second=0.1, burst=1))
    callbacks = [approve(waits(alibaba, flows, gate), alice) for _ in range(20)]
    spend(flows.connection_id, 1)
    for callback in callbacks:
        deliver(callback.pk)

    left = list(Callback.objects.filter(status="due").order_by("pk"))
    assert len(left) >= 15
    first, last = left[0].due_at, left[-1].due_at
    assert (last - first).total_seconds() > 10 * (len(left) - 1) - 12
    assert [one.pk for one in sorted(left, key=lambda one: one.due_at)] == [one.pk for one in left]


def test_a_flood_of_cloudflow_holds_up_no_answer_to_step_functions(
    alibaba, flows, gate, alice, waiting
):
    flood = [approve(waits(alibaba, flows, gate), alice) for _ in range(60)]
    one = waiting()
    urgent = one.decide(alice)

    began = time.monotonic()
    sweep_callbacks()

    urgent.refresh_from_db()
    assert urgent.status == CallbackStatus.DELIVERED
    assert time.monotonic() - began < 20, "no thread sleeps for a quota that takes hours"
    assert calls(alibaba, REPORT) == 10
    assert Callback.objects.filter(pk__in=[c.pk for c in flood], attempts=None).count() == 50


def test_a_flood_is_delivered_whole_and_never_faster_than_the_quota(
    transactional_db, alibaba, flows, gate, alice, quota
):
    quota(Pace(per_second=20, burst=10))
    tasks = [waits(alibaba, flows, gate) for _ in range(40)]
    for task in tasks:
        approve(task, alice)
    until = time.monotonic() + 60
    while Callback.objects.exclude(status="delivered").exists() and time.monotonic() < until:
        at_once(sweep_callbacks, sweep_callbacks)
        time.sleep(0.05)

    at = [call.at for call in alibaba.cloudflow.calls if call.action == REPORT]
    assert len(at) == 40, "each once"
    assert at[-1] - at[0] > 1.2, "thirty beyond the burst at twenty a second"


def test_look_ups_leave_room_for_answers(alibaba, flows, gate, alice):
    tasks = [waits(alibaba, flows, gate) for _ in range(12)]

    send_heartbeats()

    assert calls(alibaba, LOOK) == 3, "half of the bucket, and a look-up at a deadline, are left"
    callbacks = [approve(task, alice) for task in tasks[:5]]
    assert [deliver(one.pk) for one in callbacks] == [CallbackStatus.DELIVERED] * 5


def test_look_ups_that_found_no_room_are_planned_for_soon_and_say_nothing(alibaba, flows, gate):
    for _ in range(12):
        waits(alibaba, flows, gate)
    send_heartbeats()
    late = Heartbeat.objects.filter(sent_at=None)
    assert late.count() == 9
    assert {beat.error for beat in late} == {""}
    pauses = [(beat.due_at - timezone.now()).total_seconds() for beat in late]
    assert all(0 < pause <= 300 for pause in pauses)
    later(flows.connection_id, 1_000_000)
    Heartbeat.objects.update(due_at=Now())
    send_heartbeats()
    assert calls(alibaba, LOOK) == 6


def test_a_flood_of_look_ups_delays_no_heartbeat_of_step_functions(alibaba, flows, gate, waiting):
    for _ in range(40):
        waits(alibaba, flows, gate)
    one = waiting(heartbeat_seconds=60)
    began = time.monotonic()
    send_heartbeats()
    assert one.calls("SendTaskHeartbeat") == 1
    assert time.monotonic() - began < 20


def test_an_engine_without_a_pace_costs_no_statement(waiting, django_assert_num_queries):
    one = waiting()
    [due] = heartbeats._claim()
    to = Connection.objects.in_bulk([one.task.connection_id])
    with django_assert_num_queries(0):
        assert heartbeats._in_pace([due], to) == [due]
    assert Connection.objects.get(pk=one.task.connection_id).paced_until is None


def test_a_lost_answer_is_looked_up_when_there_is_room(alibaba, flows, gate, alice):
    callback = approve(waits(alibaba, flows, gate), alice)
    alibaba.cloudflow.faults.switch_on("accept_and_drop")
    assert deliver(callback.pk) == CallbackStatus.UNCONFIRMED
    spend(flows.connection_id, 9)

    assert reconcile(callback.pk) == CallbackStatus.UNCONFIRMED
    callback.refresh_from_db()
    assert (calls(alibaba, LOOK), callback.failures) == (0, 1)
    assert callback.due_at > timezone.now()

    later(flows.connection_id, 2 * ONE)
    assert reconcile(callback.pk) == CallbackStatus.DELIVERED
    assert calls(alibaba, REPORT) == 1


def test_tasks_past_their_deadline_are_asked_about_when_there_is_room(alibaba, flows, gate, alice):
    task = waits(alibaba, flows, gate)
    _, _, _, name = task.execution_id.split("/")
    alibaba.cloudflow.stop("refunds", name, "TimedOut")
    past = Now() - dt.timedelta(seconds=1)
    ApprovalTask.objects.update(deadline=past, expiry_due_at=past)
    spend(flows.connection_id)

    assert expire_due() == 1
    task.refresh_from_db()
    assert (task.status, calls(alibaba, LOOK)) == (TaskStatus.PENDING, 0)

    later(flows.connection_id, 1_000_000)
    ApprovalTask.objects.update(expiry_due_at=past)
    expire_tasks()
    task.refresh_from_db()
    assert task.status == TaskStatus.EXPIRED


def test_many_that_wait_leave_room_to_ask_whether_time_ran_out(alibaba, flows, gate):
    late, *_ = [waits(alibaba, flows, gate) for _ in range(12)]
    _, _, _, name = late.execution_id.split("/")
    past = Now() - dt.timedelta(seconds=1)
    ApprovalTask.objects.filter(pk=late.pk).update(deadline=past, expiry_due_at=past)
    Heartbeat.objects.filter(task=late).update(due_at=Now() + dt.timedelta(hours=1))
    send_heartbeats()
    alibaba.cloudflow.stop("refunds", name, "TimedOut")

    expire_tasks()

    late.refresh_from_db()
    assert late.status == TaskStatus.EXPIRED


@pytest.fixture(autouse=True)
def _close(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "transactional_db" in request.fixturenames:
        connections.close_all()
