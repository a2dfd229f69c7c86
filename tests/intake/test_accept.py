"""Bodies become tasks or quarantine rows: each exactly once, and nothing is lost."""

import datetime as dt
import json
import threading
import time

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.intake import quarantine
from approvals.intake.accept import accept
from approvals.models import ApprovalTask, AuditEvent, Gate, Heartbeat, QuarantinedMessage
from approvals.tokens import decrypt
from tests.concurrency import at_once
from tests.conftest import TEAM
from tests.factories import ConnectionFactory, GateFactory, SourceFactory, message

HELD, REPLAYED = QuarantinedMessage.Status.HELD, QuarantinedMessage.Status.REPLAYED


def test_a_message_becomes_a_pending_task_with_everything_it_said(source, gate, dora):
    body = message(
        taskToken="secret-token",
        gate="refunds",
        title="Refund order 4711",
        summary="**Urgent**",
        requestedBy="dora@example.com",
        input={"amount": 120},
        links=[{"title": "Order", "url": "https://example.com/4711"}],
        heartbeatSeconds=60,
        timeoutSeconds=3600,
        context={
            "Execution": {"Id": "arn:aws:states:us-east-1:1:execution:refunds:x", "Name": "x"},
            "State": {"Name": "Ask", "EnteredTime": "2026-01-01T00:00:00Z"},
            "StateMachine": {
                "Id": "arn:aws:states:us-east-1:1:stateMachine:refunds",
                "Name": "refunds",
            },
        },
    )

    [acceptance] = accept(source, [body])

    task = ApprovalTask.objects.get(pk=acceptance.task_id)
    assert acceptance.is_new
    assert (task.gate, task.title, task.summary) == (gate, "Refund order 4711", "**Urgent**")
    assert (task.requester, task.payload) == (dora, {"amount": 120})
    assert (task.workflow, task.state, task.execution_name) == ("refunds", "Ask", "x")
    assert task.deadline == dt.datetime(2026, 1, 1, 1, tzinfo=dt.UTC), "from when it was entered"
    assert task.token.reveal() == "secret-token"
    assert b"secret-token" not in bytes(task.token_ciphertext)
    assert Heartbeat.objects.get(task=task).every == 24
    assert AuditEvent.objects.get(task=task).action == "received"


def test_times_that_the_message_does_not_say_come_from_the_gate(source):
    gate = GateFactory(heartbeat_seconds=100, timeout_seconds=600)
    [acceptance] = accept(source, [message(gate=gate.slug)])
    task = ApprovalTask.objects.get(pk=acceptance.task_id)
    assert Heartbeat.objects.get(task=task).every == 40
    assert dt.timedelta(minutes=9) < task.deadline - timezone.now() < dt.timedelta(minutes=11)


def test_a_connection_can_do_without_liveness_checks(gate):
    source = SourceFactory(connection=ConnectionFactory(probe_seconds=None))
    accept(source, [message(gate=gate.slug)])
    assert ApprovalTask.objects.count() == 1
    assert not Heartbeat.objects.exists()


def test_the_same_message_again_is_the_same_task(source, gate):
    body = message(gate="refunds")
    [first] = accept(source, [body])
    [second, third] = accept(source, [body, body])
    assert first.task_id == second.task_id == third.task_id
    assert (first.is_new, second.is_new) == (True, False)
    assert ApprovalTask.objects.count() == Heartbeat.objects.count() == 1
    assert AuditEvent.objects.filter(action="received").count() == 1


def test_a_batch_is_stored_in_few_statements(source, gate, django_assert_max_num_queries):
    with django_assert_max_num_queries(10):
        accept(source, [message(gate="refunds") for _ in range(10)])
    with django_assert_max_num_queries(14):
        accept(source, [*(message(gate="refunds") for _ in range(7)), "x", "y", "z"])
    assert ApprovalTask.objects.count() == 17
    assert QuarantinedMessage.objects.count() == 3


@pytest.mark.parametrize("needs", ["each", "majority"])
def test_a_rule_that_counts_people_is_read_once_a_batch(source, gate, alice, bob, needs):
    Gate.objects.update(needs=needs)
    with CaptureQueriesContext(connection) as one:
        accept(source, [message(gate="refunds")])
    with CaptureQueriesContext(connection) as ten:
        accept(source, [message(gate="refunds") for _ in range(10)])
    assert len(ten) == len(one)
    expected = {"each": 1, "majority": 2}[needs]
    assert set(ApprovalTask.objects.values_list("required", flat=True)) == {expected}


@pytest.mark.django_db(transaction=True)
def test_two_receivers_with_the_same_batch_at_once_make_each_task_once(source, gate):
    bodies = [message(gate="refunds") for _ in range(10)]
    results = at_once(*[lambda: accept(source, bodies), lambda: accept(source, bodies[::-1])] * 2)
    assert not [one for one in results if isinstance(one, Exception)]
    assert ApprovalTask.objects.count() == Heartbeat.objects.count() == 10
    assert AuditEvent.objects.filter(action="received").count() == 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("gate_of", ["refunds", "unheard-of"], ids=["tasks", "quarantine"])
def test_receivers_with_the_same_messages_in_another_order_never_wait_crosswise(
    source, gate, gate_of
):
    """Both wait for the middle one, with one in hand that the other wants next."""
    bodies = [message(gate=gate_of) for _ in range(3)]
    stored = threading.Event()

    def middle() -> None:
        with transaction.atomic():
            accept(source, bodies[1:2])
            stored.set()
            time.sleep(1.5)

    def batch(bodies: list[str]) -> None:
        assert stored.wait(20)
        accept(source, bodies)

    results = at_once(middle, lambda: batch(bodies), lambda: batch(bodies[::-1]))
    assert [one for one in results if isinstance(one, Exception)] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("not json", "not_json"),
        ("{}", "no_token"),
        (message(gate="unheard-of"), "unknown_gate"),
        (message(), "no_gate"),
        (b"\xff\xfe\x00", "not_text"),
        ('{"taskToken": "a", "gate": "x", "title": "\x00"}', "not_json"),
        ("\ud800", "not_json"),
        ("", "empty"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "body",
)
def test_what_cannot_be_understood_is_held_with_its_reason(source, body, code):
    [acceptance] = accept(source, [body])
    assert acceptance.task_id is None
    held = QuarantinedMessage.objects.get()
    assert (held.code, held.status) == (code, HELD)
    assert held.reason
    assert AuditEvent.objects.get().action == "quarantined"


def test_a_redelivered_bad_message_is_held_once(source):
    accept(source, ["bad"])
    accept(source, ["bad", "bad"])
    assert QuarantinedMessage.objects.count() == 1
    assert AuditEvent.objects.filter(action="quarantined").count() == 1


def test_one_bad_message_does_not_hold_up_its_batch(source, gate):
    results = accept(source, [message(gate="refunds"), "bad", message(gate="refunds")])
    assert [one.task_id is None for one in results] == [False, True, False]
    assert ApprovalTask.objects.count() == 2


def test_where_the_requester_may_not_decide_a_message_has_to_say_who_that_is(source, alice):
    gate = GateFactory(exclude_requester=True, groups=[TEAM])
    [acceptance] = accept(source, [message(gate=gate.slug)])
    assert acceptance.problem.code == "no_requester"


def test_the_token_of_a_held_message_is_neither_shown_nor_stored_in_the_clear(source):
    token = "AQCE" + "x" * 200
    accept(source, [json.dumps({"taskToken": token, "gate": "unheard-of"})])
    held = QuarantinedMessage.objects.get()
    assert token not in held.shown
    assert token.encode() not in bytes(held.body_ciphertext)
    assert token in decrypt(held.body_ciphertext)


def test_a_held_message_is_replayed_once_its_gate_exists(source, olive):
    accept(source, [message(gate="new-gate")])
    held = QuarantinedMessage.objects.get()

    still = quarantine.replay(held.pk, actor=olive)
    assert still.problem.code == "unknown_gate"

    GateFactory(slug="new-gate")
    assert quarantine.replay(held.pk, actor=olive).is_new
    held.refresh_from_db()
    assert (held.status, held.task) == (REPLAYED, ApprovalTask.objects.get())
    assert quarantine.replay(held.pk, actor=olive) is None
    assert AuditEvent.objects.get(action="quarantine_replayed").actor == olive


def test_a_held_message_can_be_discarded_with_a_reason(source, olive):
    accept(source, ["bad"])
    held = QuarantinedMessage.objects.get()
    assert quarantine.discard(held.pk, reason="A test", actor=olive)
    assert not quarantine.discard(held.pk, reason="A test", actor=olive)
    assert quarantine.replay(held.pk, actor=olive) is None
    assert AuditEvent.objects.get(action="quarantine_discarded").data["reason"] == "A test"


@pytest.mark.parametrize("weird", ["\\u0000", "\\ud800", "\\uffff", "💥" * 300])
def test_characters_that_databases_dislike_lose_no_message(source, gate, weird):
    body = f'{{"taskToken": "t", "gate": "refunds", "title": "{weird}", "input": {{"{weird}": 1}}}}'
    [acceptance] = accept(source, [body])
    assert acceptance.task_id


@pytest.mark.parametrize("asked", [{"users": ["alice"]}, {"groups": ["Payments"], "users": []}])
def test_a_message_that_narrows_its_reviewers_is_not_shown_to_more(source, gate, asked):
    [acceptance] = accept(source, [message(gate="refunds", reviewers=asked)])
    assert acceptance.problem.code == "bad_reviewers"
    # As a workflow's own data the word means something else.
    [acceptance] = accept(
        source, [message(gate="refunds", reviewers=["x"], input={"reviewers": asked})]
    )
    assert acceptance.is_new
