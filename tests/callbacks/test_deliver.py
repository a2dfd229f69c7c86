"""An answer reaches its engine once, whatever happens to the call, and the record tells how."""

import datetime as dt
import json

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from approvals.callbacks import outbox
from approvals.callbacks.deliver import deliver
from approvals.callbacks.reconcile import reconcile
from approvals.models import AuditEvent, Callback, Heartbeat
from approvals.states import AttemptResult, CallbackStatus, Verdict
from tests.concurrency import at_once

SUCCESS, FAILURE = "SendTaskSuccess", "SendTaskFailure"


def due_now(callback: Callback) -> None:
    """Let a pause or a lease run out without waiting for it."""
    Callback.objects.filter(pk=callback.pk).update(due_at=Now() - dt.timedelta(seconds=1))


def results(callback: Callback) -> list[str]:
    return list(callback.attempts.values_list("result", flat=True))


def test_an_approval_makes_the_execution_go_on(waiting, alice):
    one = waiting()
    callback = one.decide(alice)

    assert deliver(callback.pk) == CallbackStatus.DELIVERED

    assert one.step.status == "succeeded"
    assert json.loads(one.step.output)["decisionId"] == str(callback.decision_id)
    callback.refresh_from_db()
    assert callback.delivered_at is not None
    assert results(callback) == [AttemptResult.DELIVERED]
    assert AuditEvent.objects.filter(task=one.task, action="delivered").count() == 1
    assert not Heartbeat.objects.filter(task=one.task).exists()


def test_a_rejection_fails_the_step_with_its_reason(waiting, alice):
    one = waiting()
    deliver(one.decide(alice, Verdict.REJECT).pk)
    assert (one.step.status, one.step.error) == ("failed", "Rejected")
    assert one.step.cause.startswith("Because")


def test_a_delivered_answer_is_never_sent_again(waiting, alice):
    one = waiting()
    callback = one.decide(alice)
    deliver(callback.pk)
    assert deliver(callback.pk) is None
    assert one.calls(SUCCESS) == 1


@pytest.mark.parametrize("fault", ["throttle", "kms_denied", "access_denied"])
def test_an_engine_that_does_not_take_the_call_is_tried_again_later(waiting, fake, alice, fault):
    one = waiting()
    callback = one.decide(alice)
    fake.fault(fault)

    assert deliver(callback.pk) == CallbackStatus.DUE
    assert fake.fired(fault) == 1
    callback.refresh_from_db()
    assert callback.last_error
    assert deliver(callback.pk) is None, "a pause comes first"

    due_now(callback)
    assert deliver(callback.pk) == CallbackStatus.DELIVERED
    assert results(callback) == [AttemptResult.UNAVAILABLE, AttemptResult.DELIVERED]


def test_an_engine_that_cannot_be_reached_is_tried_again_later(waiting, source, alice):
    one = waiting()
    callback = one.decide(alice)
    address = source.connection.endpoint_url
    type(source.connection).objects.update(endpoint_url="http://127.0.0.1:9")
    assert deliver(callback.pk) == CallbackStatus.DUE
    type(source.connection).objects.update(endpoint_url=address)
    due_now(callback)
    assert deliver(callback.pk) == CallbackStatus.DELIVERED


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("fault", ["accept_and_drop", "accept_and_500"])
def test_an_answer_that_was_lost_is_looked_up_and_not_guessed(waiting, fake, alice, fault, verdict):
    one = waiting()
    callback = one.decide(alice, verdict)
    fake.fault(fault)

    assert deliver(callback.pk) == CallbackStatus.UNCONFIRMED
    assert fake.fired(fault) == 1
    assert reconcile(callback.pk) == CallbackStatus.DELIVERED

    assert one.calls(SUCCESS) + one.calls(FAILURE) == 1, "it was not sent a second time"
    actions = AuditEvent.objects.filter(task=one.task).values_list("action", flat=True)
    assert list(actions)[-2:] == ["unconfirmed", "delivered"]


@pytest.mark.parametrize("fault", ["reset", "error_500"])
def test_a_call_that_was_lost_before_it_was_taken_is_sent_again(waiting, fake, alice, fault):
    one = waiting()
    callback = one.decide(alice)
    fake.fault(fault)

    assert deliver(callback.pk) == CallbackStatus.UNCONFIRMED
    assert fake.fired(fault) == 1
    assert reconcile(callback.pk) == CallbackStatus.DUE
    assert deliver(callback.pk) == CallbackStatus.DELIVERED
    assert one.step.status == "succeeded"


def test_without_a_history_the_same_answer_is_sent_again_and_gone_stays_unconfirmed(
    waiting, fake, alice
):
    one = waiting(told=False)
    callback = one.decide(alice)
    fake.fault("accept_and_drop")
    assert deliver(callback.pk) == CallbackStatus.UNCONFIRMED
    assert reconcile(callback.pk) == CallbackStatus.DUE
    assert deliver(callback.pk) == CallbackStatus.UNCONFIRMED, "our own first call may have won"
    assert results(callback) == [AttemptResult.UNKNOWN, AttemptResult.GONE]
    assert reconcile(callback.pk) == CallbackStatus.UNCONFIRMED
    assert one.calls(SUCCESS) == 2


def test_a_step_that_ended_before_the_answer_came_is_said_to_be_so(waiting, fake, alice):
    one = waiting()
    callback = one.decide(alice)
    fake.stop_execution(one.task.execution_id)

    assert deliver(callback.pk) == CallbackStatus.DEAD

    callback.refresh_from_db()
    assert "no longer waits" in callback.last_error
    assert AuditEvent.objects.filter(task=one.task, action="dead").count() == 1


def test_a_step_that_ended_otherwise_while_the_answer_was_lost_is_dead(waiting, fake, alice):
    one = waiting()
    callback = one.decide(alice)
    fake.fault("reset")
    deliver(callback.pk)
    fake.stop_execution(one.task.execution_id)
    assert reconcile(callback.pk) == CallbackStatus.DEAD


def test_an_operator_sends_a_dead_answer_again(waiting, fake, alice, olive, source):
    one = waiting()
    callback = one.decide(alice)
    Callback.objects.filter(pk=callback.pk).update(output="not json")
    assert deliver(callback.pk) == CallbackStatus.DEAD
    Callback.objects.filter(pk=callback.pk).update(output=callback.output)

    assert outbox.replay(callback.pk, actor=olive)
    assert not outbox.replay(callback.pk, actor=olive), "twice is once"

    assert deliver(callback.pk) == CallbackStatus.DELIVERED
    assert AuditEvent.objects.get(action="replayed").actor == olive


def test_heartbeats_go_on_until_the_engine_has_the_answer(waiting, fake, alice):
    one = waiting()
    callback = one.decide(alice)
    fake.fault("throttle")
    deliver(callback.pk)
    assert Heartbeat.objects.filter(task=one.task).exists()
    due_now(callback)
    deliver(callback.pk)
    assert not Heartbeat.objects.filter(task=one.task).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_once(waiting, fake, alice):
    for _ in range(5):
        one = waiting()
        callback = one.decide(alice)
        outcomes = at_once(*[lambda pk=callback.pk: deliver(pk)] * 4)
        assert sorted(map(str, outcomes)) == ["None", "None", "None", "delivered"]
        assert one.calls(SUCCESS) == 1


def test_a_worker_that_lost_its_lease_changes_nothing(waiting, alice):
    one = waiting()
    callback = one.decide(alice)
    slow = outbox.take(callback.pk)
    due_now(callback)
    assert outbox.take(callback.pk) is None, "whoever finds the dead lease calls for a look-up"
    callback.refresh_from_db()
    assert callback.status == CallbackStatus.UNCONFIRMED
    assert results(callback) == [AttemptResult.UNKNOWN]

    assert not outbox.finish(
        slow, CallbackStatus.DEAD, result=AttemptResult.REFUSED, detail="too late"
    )
    callback.refresh_from_db()
    assert callback.status == CallbackStatus.UNCONFIRMED


def test_a_worker_that_lost_its_lease_and_was_heard_counts(waiting, alice):
    one = waiting(told=False)
    callback = one.decide(alice)
    slow = outbox.take(callback.pk)
    due_now(callback)
    outbox.take(callback.pk)
    outbox.finish(slow, CallbackStatus.DELIVERED, result=AttemptResult.DELIVERED)
    assert reconcile(callback.pk) == CallbackStatus.DELIVERED


def test_the_sweep_finds_what_nobody_was_told_of(waiting, alice):
    from approvals.jobs import reconcile_callbacks, sweep_callbacks

    several = [waiting() for _ in range(3)]
    callbacks = [one.decide(alice) for one in several]
    several[0].fake.fault("accept_and_drop")

    sweep_callbacks()
    reconcile_callbacks()

    assert [one.step.status for one in several] == ["succeeded"] * 3
    for callback in callbacks:
        callback.refresh_from_db()
        assert callback.status == CallbackStatus.DELIVERED


def test_a_key_that_is_missing_delays_the_answer_and_loses_nothing(waiting, alice, settings):
    from cryptography.fernet import Fernet

    one = waiting()
    callback = one.decide(alice)
    keys = settings.TOKEN_KEYS
    settings.TOKEN_KEYS = [Fernet.generate_key().decode()]
    assert deliver(callback.pk) == CallbackStatus.DUE
    callback.refresh_from_db()
    assert "TOKEN_KEYS" in callback.last_error
    assert (callback.due_at - timezone.now()).total_seconds() > 20, "somebody has to act first"

    settings.TOKEN_KEYS = keys
    due_now(callback)
    assert deliver(callback.pk) == CallbackStatus.DELIVERED


def test_one_that_fails_in_an_unheard_of_way_does_not_hold_up_the_others(
    waiting, alice, monkeypatch
):
    from approvals.engines.step_functions import StepFunctions
    from approvals.jobs import sweep_callbacks

    bad, good = waiting(), waiting()
    callbacks = [one.decide(alice) for one in (bad, good)]
    succeed = StepFunctions.succeed

    def broken(self, token, output):
        if token.reveal() == bad.token:
            raise ZeroDivisionError("nobody thought of it")
        succeed(self, token, output)

    monkeypatch.setattr(StepFunctions, "succeed", broken)
    sweep_callbacks()
    assert good.step.status == "succeeded"
    for callback in callbacks:
        callback.refresh_from_db()
    assert [one.status for one in callbacks] == ["unconfirmed", "delivered"]
    monkeypatch.undo()
    assert reconcile(callbacks[0].pk) == CallbackStatus.DUE
    assert deliver(callbacks[0].pk) == CallbackStatus.DELIVERED
