"""Times that a message does not say are read from the definition, and the step is kept alive."""

import datetime as dt
import time
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals import wake
from approvals.callbacks import definitions
from approvals.decisions.decide import decide
from approvals.intake.accept import accept
from approvals.jobs import read_definitions, send_heartbeats
from approvals.models import ApprovalTask, AuditEvent, Decision, DefinitionLookup, Gate, Heartbeat
from approvals.outside_jobs import keys
from approvals.outside_jobs.claim import claim
from approvals.states import Verdict
from tests.concurrency import at_once
from tests.conftest import person
from tests.factories import ConnectionFactory, GateFactory, SourceFactory, message
from tests.fakes.step_functions import FakeStepFunctions

READ = "DescribeStateMachineForExecution"
ENTERED = "2026-01-01T00:00:00Z"


def arn(machine: str, run: str = "run") -> str:
    return f"arn:aws:states:us-east-1:123456789012:execution:{machine}:{run}"


@pytest.fixture
def asks(fake: FakeStepFunctions, source: Any) -> Any:
    """A step of the fake with times in its definition, and the task of its message."""

    def ask(
        gate: Any,
        machine: str = "refunds",
        at: Any = None,
        heartbeat: float | None = None,
        timeout: float | None = None,
        state: dict[str, Any] | None = None,
        **fields: Any,
    ) -> ApprovalTask:
        token = fake.create_step(arn(machine), "Approve", heartbeat, timeout)
        context = {
            "Execution": {"Id": arn(machine)},
            "State": {"Name": "Approve"} | (state or {}),
        }
        body = message(gate=gate.slug, taskToken=token, context=context, **fields)
        [acceptance] = accept(at or source, [body])
        return ApprovalTask.objects.get(pk=acceptance.task_id)

    return ask


def test_the_times_of_the_state_are_read_and_are_on_the_record(asks, gate, fake):
    task = asks(gate, heartbeat=60, timeout=3600, state={"EnteredTime": ENTERED})
    assert (task.heartbeat_seconds, task.deadline) == (None, None)
    assert Heartbeat.objects.get(task=task).every == 300, "asked now and then until it is known"

    read_definitions()

    task.refresh_from_db()
    assert task.heartbeat_seconds == 60
    assert task.deadline == dt.datetime(2026, 1, 1, 1, tzinfo=dt.UTC), "from when it was entered"
    assert task.expiry_due_at == task.deadline + dt.timedelta(seconds=2)
    assert Heartbeat.objects.get(task=task).every == 24
    event = AuditEvent.objects.get(task=task, action="times_read")
    assert event.data == {"detail": "HeartbeatSeconds 60, TimeoutSeconds 3600"}
    assert not DefinitionLookup.objects.exists()
    read_definitions()
    assert fake.count(READ) == 1


def test_each_try_of_a_state_has_its_whole_timeout(asks, gate):
    task = asks(gate, timeout=3600, state={"EnteredTime": ENTERED, "RetryCount": 1})
    read_definitions()
    task.refresh_from_db()
    assert task.deadline == task.received_at + dt.timedelta(hours=1)


@pytest.mark.django_db(transaction=True)
def test_a_step_with_a_short_limit_is_kept_alive(asks, gate, fake):
    task = asks(gate, heartbeat=4)
    token = task.token.reveal()
    until = time.monotonic() + 7
    while time.monotonic() < until:
        read_definitions()
        send_heartbeats()
        time.sleep(0.05)
    assert fake.step(token).status == "waiting"
    assert len(fake.step(token).heartbeats) > 2


def test_without_a_planned_heartbeat_one_is_planned(asks, gate, fake):
    connection = ConnectionFactory(kind="step_functions", endpoint_url=fake.url, probe_seconds=None)
    task = asks(gate, at=SourceFactory(connection=connection), heartbeat=60)
    assert not Heartbeat.objects.exists()
    read_definitions()
    assert Heartbeat.objects.get(task=task).every == 24


def test_what_the_message_says_goes_before_the_definition_and_that_before_the_gate(asks):
    gate = GateFactory(heartbeat_seconds=1000, timeout_seconds=2000)
    by_definition = asks(gate, "one", heartbeat=60, timeout=3600)
    by_message = asks(gate, "two", heartbeat=60, timeout=3600, heartbeatSeconds=30)
    by_gate = asks(gate, "three")
    in_full = asks(gate, "four", heartbeat=60, heartbeatSeconds=30, timeoutSeconds=90)
    assert not DefinitionLookup.objects.filter(task=in_full).exists(), "nothing is left to be read"

    read_definitions()

    for task, heartbeat, timeout in [
        (by_definition, 60, 3600),
        (by_message, 30, 3600),
        (by_gate, 1000, 2000),
        (in_full, 30, 90),
    ]:
        task.refresh_from_db()
        assert task.heartbeat_seconds == heartbeat
        assert abs((task.deadline - task.received_at).total_seconds() - timeout) < 5
    assert not AuditEvent.objects.filter(task=by_gate, action="times_read").exists()


def test_a_connection_may_be_told_not_to_read_definitions(asks, gate, fake):
    connection = ConnectionFactory(
        kind="step_functions", endpoint_url=fake.url, reads_definitions=False
    )
    asks(gate, at=SourceFactory(connection=connection), heartbeat=60)
    assert not DefinitionLookup.objects.exists()


def test_an_engine_that_is_away_is_asked_again_later_and_once_for_all(asks, gate, fake):
    tasks = [asks(gate, f"machine-{number}", heartbeat=60) for number in range(5)]
    fake.fault("throttle")

    read_definitions()

    assert fake.count(READ) == 1, "the others would fare no better"
    assert set(DefinitionLookup.objects.values_list("failures", flat=True)) == {1}
    assert DefinitionLookup.objects.filter(due_at__gt=Now()).count() == 5
    DefinitionLookup.objects.update(due_at=Now())
    read_definitions()
    assert not DefinitionLookup.objects.exists()
    assert {
        t.heartbeat_seconds for t in ApprovalTask.objects.filter(pk__in=[t.pk for t in tasks])
    } == {60}


def test_what_may_not_be_read_is_given_up_after_a_few_refusals_and_the_gates_times_stand(
    asks, fake
):
    task = asks(GateFactory(heartbeat_seconds=100, timeout_seconds=600), heartbeat=60)
    fake.fault("access_denied", times=None, action=READ)
    for _ in range(definitions.REFUSALS):
        assert DefinitionLookup.objects.exists()
        DefinitionLookup.objects.update(due_at=Now())
        read_definitions()
    assert not DefinitionLookup.objects.exists()
    task.refresh_from_db()
    assert task.heartbeat_seconds == 100
    assert task.deadline is not None


def test_a_bad_connection_does_not_hold_up_the_others(asks, gate, fake):
    bad = ConnectionFactory(kind="step_functions", region="no region", endpoint_url="http://x")
    asks(gate, "one", at=SourceFactory(connection=bad), heartbeat=60)
    task = asks(gate, "two", heartbeat=60)
    read_definitions()
    task.refresh_from_db()
    assert task.heartbeat_seconds == 60
    assert DefinitionLookup.objects.get().failures == 1


def test_a_task_that_is_settled_meanwhile_is_left_as_it_was(asks, gate, alice):
    task = asks(gate, heartbeat=60)
    decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
    read_definitions()
    task.refresh_from_db()
    assert task.heartbeat_seconds is None
    assert not DefinitionLookup.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_read_each_once(asks, gate, fake):
    for number in range(20):
        asks(gate, f"machine-{number}", heartbeat=60)
    results = at_once(*[definitions.read_due] * 3)
    assert sum(results) == 20
    assert AuditEvent.objects.filter(action="times_read").count() == 20


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_with_a_batch_in_hand_is_followed_by_another(asks, gate):
    asks(gate, heartbeat=60)
    assert len(definitions._claim()) == 1
    assert definitions.read_due() == 0, "in hand"
    DefinitionLookup.objects.update(due_at=Now())  # the lease has run out
    assert definitions.read_due() == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_told_when_the_batch_is_stored_and_intake_does_without_a_broker(
    asks, gate, monkeypatch
):
    told: list[str] = []

    def send(self: object, name: str, *args: object, **kwargs: object) -> None:
        told.append(name)
        if name == "approvals.read_definitions":
            raise ConnectionError("no broker")

    monkeypatch.setattr(wake, "_quiet_until", float("-inf"))
    monkeypatch.setattr("celery.app.base.Celery.send_task", send)
    assert asks(gate, heartbeat=60).is_pending
    assert told == ["approvals.tell_people", "approvals.read_definitions"]


def test_a_batch_costs_one_statement_more(source, gate, fake, django_assert_num_queries):
    def batch(**fields: Any) -> list[str]:
        context = {"Execution": {"Id": arn("refunds")}, "State": {"Name": "Approve"}}
        return [message(gate=gate.slug, context=context, **fields) for _ in range(10)]

    with CaptureQueriesContext(connection) as without:
        accept(source, batch(heartbeatSeconds=60, timeoutSeconds=600))
    with django_assert_num_queries(len(without) + 1):
        accept(source, batch())


def test_nobody_decides_later_than_the_definition_allows(asks, gate):
    asks(gate, timeout=600)
    read_definitions()
    left = ApprovalTask.objects.get().deadline - timezone.now()
    assert dt.timedelta(minutes=9) < left < dt.timedelta(minutes=11)


def test_a_job_that_runs_before_the_times_are_known_is_kept_alive_while_it_is_heard_of(
    asks, fake, ada
):
    at = SourceFactory(
        connection=ConnectionFactory(
            kind="step_functions", endpoint_url=fake.url, probe_seconds=None
        )
    )
    spark = GateFactory(slug="spark", kind=Gate.Kind.JOB)
    runs, waits = asks(spark, "one", at, heartbeat=60), asks(spark, "two", at, heartbeat=60)
    runner = keys.issue_runner_key(spark, "cluster", ada)
    assert claim(runner.key).key.task == runs
    read_definitions()
    assert Heartbeat.objects.get(task=runs).until is not None
    assert Heartbeat.objects.get(task=waits).until is None, "nobody has taken it yet"


def test_a_broker_that_hangs_holds_up_messages_once_in_a_while(monkeypatch):
    tried = []

    def hang(name: str, arguments: list[str]) -> None:
        tried.append(name)
        raise ConnectionError

    monkeypatch.setattr(wake, "_quiet_until", float("-inf"))
    monkeypatch.setattr(wake.current_app, "send_task", hang)
    for _ in range(3):
        wake.now("a job")
    assert len(tried) == 1
    monkeypatch.setattr(wake, "_quiet_until", time.monotonic())
    wake.now("a job")
    assert len(tried) == 2
