"""Steps are kept alive while people think, and tasks whose steps have ended leave at once."""

import datetime as dt
import time

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from approvals.callbacks import heartbeats
from approvals.decisions.expire import expire_due, retire
from approvals.jobs import expire_tasks, send_heartbeats
from approvals.models import ApprovalTask, AuditEvent, Heartbeat
from approvals.states import TaskStatus
from tests.concurrency import at_once

HEARTBEAT = "SendTaskHeartbeat"


def due_now(task: ApprovalTask) -> None:
    Heartbeat.objects.filter(task=task).update(due_at=Now() - dt.timedelta(seconds=1))


def test_a_step_is_told_at_once_and_again_before_half_of_its_time_is_over(waiting):
    one = waiting(heartbeat_seconds=60)

    send_heartbeats()
    send_heartbeats()

    assert one.calls(HEARTBEAT) == 1
    beat = Heartbeat.objects.get(task=one.task)
    assert beat.sent_at is not None
    gap = (beat.due_at - beat.sent_at).total_seconds()
    assert 15 < gap < 30


def test_a_real_step_outlives_its_own_limit(waiting):
    one = waiting(heartbeat_seconds=2)
    until = time.monotonic() + 4
    while time.monotonic() < until:
        send_heartbeats()
        time.sleep(0.1)
    assert one.step.status == "waiting"


def test_without_heartbeats_the_step_times_out_and_the_task_leaves_the_inbox(waiting):
    one = waiting(heartbeat_seconds=1)
    time.sleep(1.1)

    send_heartbeats()

    one.task.refresh_from_db()
    assert one.task.status == TaskStatus.CANCELLED
    assert "ended" in one.task.settled_reason
    assert not Heartbeat.objects.filter(task=one.task).exists()
    assert AuditEvent.objects.filter(task=one.task, action="ended").count() == 1


def test_a_stopped_execution_is_noticed_although_its_step_asked_for_no_heartbeats(waiting, fake):
    one = waiting(heartbeat_seconds=None)
    assert Heartbeat.objects.get(task=one.task).every == 300
    fake.stop_execution(one.task.execution_id)
    send_heartbeats()
    one.task.refresh_from_db()
    assert one.task.status == TaskStatus.CANCELLED


def test_a_decided_task_keeps_its_outcome_when_its_step_is_gone(waiting, fake, alice):
    one = waiting()
    one.decide(alice)
    fake.stop_execution(one.task.execution_id)
    retire(one.task.pk)
    one.task.refresh_from_db()
    assert one.task.status == TaskStatus.APPROVED


@pytest.mark.parametrize("fault", ["throttle", "error_500", "reset", "accept_and_drop"])
def test_a_heartbeat_that_failed_is_tried_again_soon(waiting, fake, fault):
    one = waiting(heartbeat_seconds=60)
    fake.fault(fault)

    send_heartbeats()

    assert fake.fired(fault) == 1
    beat = Heartbeat.objects.get(task=one.task)
    assert beat.error
    assert (beat.due_at - timezone.now()).total_seconds() <= 5
    due_now(one.task)
    send_heartbeats()
    beat.refresh_from_db()
    assert (beat.error, beat.sent_at is not None) == ("", True)


def test_one_that_fails_does_not_keep_the_others_from_being_sent(waiting, fake):
    several = [waiting() for _ in range(20)]
    Heartbeat.objects.filter(task=several[3].task)
    ApprovalTask.objects.filter(pk=several[7].task.pk).update(token_ciphertext=b"garbage")

    send_heartbeats()

    assert [one.calls(HEARTBEAT) for one in several] == [1] * 7 + [0] + [1] * 12
    assert Heartbeat.objects.get(task=several[7].task).error


def test_a_sender_that_died_with_a_batch_in_hand_is_replaced_before_the_step_times_out(waiting):
    one = waiting(heartbeat_seconds=10)
    [claimed] = heartbeats._claim()  # and dies here
    assert claimed.task_id == one.task.pk
    lease = (claimed.lease - timezone.now()).total_seconds()
    assert 1 <= lease <= 5, "the lease ends in time"
    assert heartbeats._claim() == []


def test_a_sender_that_lost_its_lease_does_not_put_the_next_one_off(waiting):
    one = waiting()
    [slow] = heartbeats._claim()
    due_now(one.task)
    send_heartbeats()
    planned = Heartbeat.objects.get(task=one.task).due_at

    heartbeats._write([heartbeats.Result(slow, pause=1000.0)])

    assert Heartbeat.objects.get(task=one.task).due_at == planned


def test_the_engine_is_asked_before_a_task_is_called_expired(waiting):
    one = waiting(heartbeat_seconds=None, timeoutSeconds=1)
    ApprovalTask.objects.update(
        deadline=Now() - dt.timedelta(minutes=1), expiry_due_at=Now() - dt.timedelta(seconds=1)
    )

    expire_tasks()

    one.task.refresh_from_db()
    assert one.task.is_pending, "the engine still waits, whatever our clock says"
    assert expire_due() == 0, "it is not asked again at once"


def test_time_that_ran_out_in_the_engine_expires_the_task(waiting):
    one = waiting(heartbeat_seconds=None, timeout_seconds=0.2, timeoutSeconds=1)
    time.sleep(0.3)
    ApprovalTask.objects.update(
        deadline=Now() - dt.timedelta(seconds=1), expiry_due_at=Now() - dt.timedelta(seconds=1)
    )

    expire_tasks()

    one.task.refresh_from_db()
    assert one.task.status == TaskStatus.EXPIRED
    assert AuditEvent.objects.filter(task=one.task, action="expired").exists()


def test_an_engine_that_cannot_be_asked_expires_nothing(waiting, fake):
    one = waiting(heartbeat_seconds=None, timeout_seconds=0.2, timeoutSeconds=1)
    ApprovalTask.objects.update(expiry_due_at=Now() - dt.timedelta(seconds=1))
    fake.fault("throttle", times=None)
    expire_tasks()
    one.task.refresh_from_db()
    assert one.task.is_pending
    assert fake.fired("throttle") >= 1


def test_two_senders_at_once_send_each_once(transactional_db, waiting):
    several = [waiting() for _ in range(30)]
    at_once(send_heartbeats, send_heartbeats, send_heartbeats)
    assert [one.calls(HEARTBEAT) for one in several] == [1] * 30


def test_the_token_bucket_paces():
    bucket = heartbeats.TokenBucket(rate=100)
    start = time.monotonic()
    for _ in range(130):
        bucket.take()
    assert time.monotonic() - start > 0.2, "a burst of one second, then one each 10 ms"


def test_a_clock_that_was_set_back_puts_nothing_off(waiting, monkeypatch):
    one, other = waiting(), waiting()
    send_heartbeats()
    # What an hour back looks like: the plan was made for a time that is now far away.
    Heartbeat.objects.filter(task=one.task).update(due_at=Now() + dt.timedelta(hours=1))
    planned = Heartbeat.objects.get(task=other.task).due_at
    monkeypatch.setattr(heartbeats, "_mended_at", float("-inf"))

    send_heartbeats()

    assert (one.calls(HEARTBEAT), other.calls(HEARTBEAT)) == (2, 1)
    assert Heartbeat.objects.get(task=other.task).due_at == planned


@pytest.mark.django_db(transaction=True)
def test_what_somebody_else_has_in_hand_is_left_to_them_and_the_rest_is_planned(waiting):
    held, free = waiting(heartbeat_seconds=60).task, waiting(heartbeat_seconds=60).task
    batch = heartbeats._claim()
    with transaction.atomic():
        list(Heartbeat.objects.select_for_update().filter(task=held))
        began = time.monotonic()
        at_once(lambda: heartbeats._write([heartbeats.Result(due, 50.0) for due in batch]))
        assert time.monotonic() - began < 20, "whoever waits with rows in hand may deadlock"
    pauses = {
        beat.task_id: (beat.due_at - timezone.now()).total_seconds()
        for beat in Heartbeat.objects.all()
    }
    assert pauses[held.pk] < 16, "as leased: it is sent again soon"
    assert pauses[free.pk] > 20
