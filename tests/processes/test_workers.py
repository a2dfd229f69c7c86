"""Workers as they run for real: told by Redis, without Redis, killed in the middle, stopped."""

import datetime as dt
import signal
import time
from collections.abc import Callable

from celery import Celery
from django.db.models.functions import Now

from approvals.models import Callback, Heartbeat
from approvals.states import CallbackStatus, TaskStatus
from demo import valkey

NO_BROKER = "redis+socket:///nowhere/valkey.sock"


def wait_until(truth: Callable[[], bool], seconds: float = 25) -> None:
    until = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.05)


def status_of(callback: Callback) -> str:
    return Callback.objects.values_list("status", flat=True).get(pk=callback.pk)


def test_a_decision_reaches_the_engine_as_soon_as_it_is_committed(waiting, alice, worker):
    worker("callbacks")
    first = waiting()
    wait_for_start = first.decide(alice)
    wait_until(lambda: status_of(wait_for_start) == CallbackStatus.DELIVERED)

    one = waiting()
    started = time.monotonic()
    one.decide(alice)
    wait_until(lambda: one.step.status == "succeeded")

    assert time.monotonic() - started < 4, "it was nudged: the sweep comes each 5 s"


def test_without_a_broker_workers_sweep_by_themselves(waiting, alice, worker):
    worker("callbacks", BROKER_URL=NO_BROKER)
    worker("heartbeats", BROKER_URL=NO_BROKER)
    one, other = waiting(), waiting(heartbeat_seconds=20)
    one.decide(alice)

    wait_until(lambda: one.step.status == "succeeded")
    until = time.monotonic() + 13
    while time.monotonic() < until:
        assert other.step.status == "waiting"
        time.sleep(0.2)
    assert other.calls("SendTaskHeartbeat") >= 2


def test_a_worker_killed_in_the_middle_of_a_call_contradicts_nothing(waiting, fake, alice, worker):
    killed = worker("callbacks")
    one = waiting()
    fake.fault("hang", action="SendTaskSuccess")
    callback = one.decide(alice)
    wait_until(lambda: fake.fired("hang") == 1)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(timeout=10) == -signal.SIGKILL
    assert status_of(callback) == CallbackStatus.SENDING

    # Its lease would end in 45 s.
    Callback.objects.filter(pk=callback.pk).update(due_at=Now() - dt.timedelta(seconds=1))
    worker("callbacks", BROKER_URL=NO_BROKER)

    wait_until(lambda: status_of(callback) == CallbackStatus.DELIVERED, seconds=60)
    assert one.calls("SendTaskSuccess") == 1, "it was looked up, not sent again"
    assert list(callback.attempts.values_list("result", flat=True)) == ["unknown"]


def test_a_worker_that_is_stopped_finishes_the_call_in_hand(waiting, fake, alice, worker):
    stopped = worker("callbacks")
    one = waiting()
    fake.fault("slow", action="SendTaskSuccess", seconds=2)
    callback = one.decide(alice)
    wait_until(lambda: fake.fired("slow") == 1)
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(timeout=20) == 0
    assert status_of(callback) == CallbackStatus.DELIVERED


def test_a_workflow_that_ends_leaves_the_inbox_by_itself(waiting, fake, worker):
    one = waiting(heartbeat_seconds=60)
    worker("heartbeats")
    wait_until(lambda: Heartbeat.objects.filter(task=one.task, sent_at__isnull=False).exists())
    fake.stop_execution(one.task.execution_id)
    Heartbeat.objects.update(due_at=Now())

    def retired() -> bool:
        one.task.refresh_from_db()
        return one.task.status == TaskStatus.CANCELLED

    wait_until(retired)


def test_a_broker_that_comes_back_is_used_again(waiting, alice, worker, tmp_path):
    sockets = tmp_path / "s"
    sockets.mkdir(mode=0o700)
    broker = valkey.start(tmp_path / "valkey", sockets)
    worker("callbacks", BROKER_URL=broker.broker_url)
    first = waiting().decide(alice)
    wait_until(lambda: status_of(first) == CallbackStatus.DELIVERED)
    broker.stop()

    meanwhile = waiting().decide(alice)
    wait_until(lambda: status_of(meanwhile) == CallbackStatus.DELIVERED)

    broker = valkey.start(tmp_path / "valkey", sockets)
    app = Celery(broker=broker.broker_url)
    time.sleep(8)  # the worker's own pause between two tries to connect
    started = time.monotonic()
    nudged = waiting().decide(alice)
    app.send_task("approvals.deliver_callback", [str(nudged.pk)], queue="callbacks")
    wait_until(lambda: status_of(nudged) == CallbackStatus.DELIVERED)
    assert time.monotonic() - started < 4, "the sweep comes each 5 s"
    broker.stop()
