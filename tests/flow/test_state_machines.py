"""The flow against real state machines: message in, decision, callback out, execution goes on."""

import time
from random import Random

import pytest

from approvals.callbacks import heartbeats
from approvals.decisions import expire
from approvals.decisions.expire import TIME_RAN_OUT, WORKFLOW_ENDED
from approvals.errors import CannotDecide
from approvals.intake import quarantine
from approvals.models import Callback, Gate, Heartbeat, QuarantinedMessage, User
from approvals.states import TaskStatus, Verdict
from demo import inputs
from tests.emulated_aws import take_in, until
from tests.flow.conftest import Flow

APPROVE, REJECT = Verdict.APPROVE, Verdict.REJECT


def test_an_approved_refund_is_paid(flow: Flow, random: Random) -> None:
    start = inputs.refund(random)
    task, execution = flow.waits(start)
    assert (task.gate.slug, task.workflow, task.state) == (
        "order-refunds",
        "order-refunds",
        "Approve refund",
    )
    assert task.heartbeat_seconds == 60
    decision = flow.decides("mira", task, APPROVE).decision
    flow.answered(task)
    assert flow.output(execution) == {
        "refunded": True,
        "order": start.data["order"]["id"],
        "amount": start.data["amount"],
        "approvedBy": "mira",
        "decisionId": str(decision.pk),
    }
    assert not Heartbeat.objects.exists()


def test_a_rejected_refund_takes_the_branch_that_catches_it(flow: Flow, random: Random) -> None:
    start = inputs.refund(random)
    task, execution = flow.waits(start)
    flow.decides("mira", task, REJECT, comment="Paid back last week.")
    flow.answered(task)
    assert flow.output(execution) == {
        "refunded": False,
        "order": start.data["order"]["id"],
        "mailTo": start.data["customer"]["email"],
        "error": "Rejected",
    }
    assert flow.aws.look_at(execution).step == "Not refunded"


def test_a_refund_below_the_limit_asks_nobody(flow: Flow, random: Random) -> None:
    start = inputs.refund(random)
    execution = flow.aws.start(
        flow.machines[start.machine], start.name, {**start.data, "amount": 49.9}
    )
    assert flow.output(execution)["refunded"] is True
    assert take_in(flow.source) == []


def test_an_output_path_finds_what_the_gate_wraps(flow: Flow, random: Random) -> None:
    start = inputs.data_export(random)
    task, execution = flow.waits(start)
    assert task.gate.slug == "data-exports"  # the source's: such a message names none
    assert task.title == start.data["title"]
    decision = flow.decides("lea", task, APPROVE).decision
    assert '"Payload":' in Callback.objects.get().output
    flow.answered(task)
    assert flow.output(execution) == {
        "customer": start.data["customer"],
        "exported": True,
        "approvedBy": "lea",
        "decisionId": str(decision.pk),
    }


def test_a_deployment_waits_for_the_second_approval(flow: Flow, random: Random) -> None:
    start = inputs.deployment(random, requested_by="priya@example.com")
    task, execution = flow.waits(start)
    assert flow.decides("tom", task, APPROVE).task.status == TaskStatus.PENDING
    assert not Callback.objects.exists()
    assert flow.aws.look_at(execution).status == "RUNNING"
    flow.decides("lea", task, APPROVE)
    flow.answered(task)
    assert flow.output(execution) == {
        "deployed": f"{start.data['service']} {start.data['version']}",
        "approvedBy": ["tom", "lea"],
    }


def test_whoever_requested_a_deployment_can_not_decide_it(flow: Flow, random: Random) -> None:
    task, execution = flow.waits(inputs.deployment(random, requested_by="tom@example.com"))
    with pytest.raises(CannotDecide, match="You requested this"):
        flow.decides("tom", task, APPROVE)
    with pytest.raises(CannotDecide, match="does not name you"):
        flow.decides("mira", task, APPROVE)
    flow.decides("lea", task, APPROVE)
    flow.decides("jonas", task, APPROVE)
    flow.answered(task)
    assert flow.output(execution)["approvedBy"] == ["lea", "jonas"]


def test_a_rejected_deployment_succeeds_with_the_answer_no(flow: Flow, random: Random) -> None:
    start = inputs.deployment(random, requested_by="priya@example.com")
    task, execution = flow.waits(start)
    flow.decides("tom", task, APPROVE)
    flow.decides("lea", task, REJECT, comment="Not on a Friday.")
    flow.answered(task)
    assert flow.output(execution) == {
        "kept": f"{start.data['service']} {start.data['replaces']}",
        "because": "Not on a Friday.",
    }


def test_without_heartbeats_a_step_times_out_and_its_task_is_retired(
    flow: Flow, random: Random
) -> None:
    flow.shorten("order-refunds", "Approve refund", HeartbeatSeconds=2)
    task, execution = flow.waits(inputs.refund(random)._replace(machine="short"))
    ended = flow.ended(execution)
    assert (ended.status, ended.result) == ("FAILED", "States.Timeout")
    heartbeats.send_due(on_gone=expire.retire)
    task = flow.task(task.pk)
    assert (task.status, task.settled_reason) == (TaskStatus.CANCELLED, WORKFLOW_ENDED)
    assert not Heartbeat.objects.exists()


def test_heartbeats_keep_a_step_waiting_past_its_interval(flow: Flow, random: Random) -> None:
    flow.shorten("order-refunds", "Approve refund", HeartbeatSeconds=2)
    task, execution = flow.waits(inputs.refund(random)._replace(machine="short"))
    stop = time.monotonic() + 5
    while time.monotonic() < stop:
        heartbeats.send_due(on_gone=expire.retire)
        time.sleep(0.1)
    assert flow.aws.look_at(execution).status == "RUNNING"
    flow.decides("mira", task, APPROVE)
    flow.answered(task)
    assert flow.output(execution)["refunded"] is True


def test_a_step_that_ran_out_of_time_leaves_the_inbox(flow: Flow, random: Random) -> None:
    flow.shorten("expiring-offer", "Release offer", TimeoutSeconds=2)
    task, execution = flow.waits(inputs.offer(random)._replace(machine="short"))
    assert not Heartbeat.objects.exists()
    assert flow.output(execution)["withdrawn"] is True
    until(expire.expire_due)
    task = flow.task(task.pk)
    assert (task.status, task.settled_reason) == (TaskStatus.EXPIRED, TIME_RAN_OUT)


def test_a_message_for_no_gate_goes_on_once_the_gate_is_there(flow: Flow, random: Random) -> None:
    start = inputs.misspelled_gate(random)
    execution = flow.aws.start(flow.machines[start.machine], start.name, start.data)
    [acceptance] = until(lambda: take_in(flow.source))
    assert acceptance.task_id is None
    held = QuarantinedMessage.objects.get()
    assert held.code == "unknown_gate"
    gate = Gate.objects.create(slug="data-export", name="Exports", output_key="Payload")
    gate.users.add(User.objects.get(username="mira"))
    replayed = quarantine.replay(held.pk, actor=User.objects.get(username="omar"))
    assert replayed
    task = flow.task(replayed.task_id)
    flow.decides("mira", task, APPROVE)
    flow.answered(task)
    assert flow.output(execution)["approvedBy"] == "mira"
