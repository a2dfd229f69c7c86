"""What gates can ask, each with an execution of the demo: people decide, the workflow goes on."""

import datetime as dt
from collections.abc import Callable
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models.functions import Now

from approvals.decisions.rules import can_decide
from approvals.models import ApprovalTask, Callback, User
from approvals.people.eligibility import Person
from approvals.states import TaskStatus, Verdict
from approvals.timers import fire
from demo.inputs import Start
from demo.policy_inputs import POLICIES
from tests.flow.conftest import Flow

APPROVE, REJECT = Verdict.APPROVE, Verdict.REJECT
TRIP = {
    "hotel": "Hotel Miradouro",
    "class": "train",
    "extras": ["taxi"],
    "budget": 1_200,
    "from": "2026-12-01",
    "seen": True,
}

Ask = Callable[[str], tuple[ApprovalTask, str]]


@pytest.fixture
def ask(flow: Flow, random: Random) -> Ask:
    """Start the execution that shows a policy; its task, and its ARN."""

    def ask(policy: str) -> tuple[ApprovalTask, str]:
        start: Start = POLICIES[policy](random)
        return flow.waits(start)

    return ask


def may(username: str, task: ApprovalTask) -> bool:
    return can_decide(task, Person(User.objects.get(username=username)))


# Policy, who says what in turn, and what the workflow goes on with.
PASSED: list[tuple[str, list[tuple[str, dict[str, Any]]], dict[str, Any]]] = [
    ("each-team", [("mira", {}), ("tom", {})], {"approved": True}),
    ("stages", [("mira", {}), ("lea", {})], {"approved": True}),
    ("majority", [("tom", {}), ("jonas", {})], {"approved": True}),
    ("form", [("mira", {"form": TRIP})], {"form": TRIP}),
    (
        "choices",
        [("tom", {"choice": "roll-back"})],
        {"choice": "roll-back", "output": {"action": "rollback", "to": "previous"}},
    ),
    ("link", [("mira", {})], {"approved": True}),
    ("named", [("mira", {})], {"approved": True}),
    ("several", [("mira", {})], {"approved": True}),
    ("away", [("mira", {})], {"approved": True}),
    ("claim", [("tom", {})], {"approved": True}),
    ("calendar", [("mira", {})], {"approved": True}),
    ("reason", [("tom", {"comment": "For OPS-4711"})], {"comment": "For OPS-4711"}),
    (
        "message",
        [("mira", {"choice": "half", "form": {"account": "Goodwill"}})],
        {"choice": "half", "output": {"share": 0.5}, "form": {"account": "Goodwill"}},
    ),
]


@pytest.mark.parametrize(
    ("policy", "said", "expected"), PASSED, ids=[policy for policy, _, _ in PASSED]
)
def test_the_workflow_goes_on_with_what_was_decided(flow, ask, policy, said, expected):
    task, execution = ask(policy)
    for username, extra in said:
        assert task.is_pending
        flow.decides(username, task, APPROVE, **extra)
        task = flow.task(task.pk)
    assert task.status == TaskStatus.APPROVED
    flow.answered(task)
    output = flow.output(execution)
    assert {key: output[key] for key in expected} == expected
    assert [one["reviewer"] for one in output["decidedBy"]] == [who for who, _ in said]


def test_a_changed_amount_is_what_the_workflow_gets(flow, ask):
    task, execution = ask("change")
    changed = {**task.payload, "amount": 12.5}
    flow.decides("mira", task, APPROVE, payload=changed)
    flow.answered(task)
    assert flow.output(execution)["input"] == changed


def test_one_who_is_against_it_stops_no_majority(flow, ask):
    task, _ = ask("majority")
    flow.decides("tom", task, REJECT, comment="Not over the holidays.")
    assert flow.task(task.pk).is_pending
    flow.decides("lea", task, REJECT, comment="Neither do I like it.")
    assert flow.task(task.pk).status == TaskStatus.REJECTED


def test_only_whom_the_message_names_may_decide(flow, ask):
    task, _ = ask("named")
    assert (may("mira", task), may("tom", task)) == (True, False)


def test_a_stand_in_decides_in_the_place_of_the_absent(flow, ask):
    task, execution = ask("away")
    assert (may("nora", task), may("mira", task), may("tom", task)) == (True, True, False)
    flow.decides("mira", task, APPROVE)
    flow.answered(task)
    assert flow.output(execution)["decidedBy"][0]["onBehalfOf"] == "nora"


def test_what_can_be_undone_is_not_told_yet(flow, ask):
    task, _ = ask("undo")
    flow.decides("mira", task, APPROVE)
    task = flow.task(task.pk)
    assert (task.is_pending, bool(task.settles_at)) == (True, True)
    assert not Callback.objects.exists()


def test_the_gate_itself_answers_when_nobody_did(flow, ask):
    task, _ = ask("silence")
    assert task.decide_by
    assert task.timers.filter(kind="overdue", at=task.decide_by).exists()
    task, _ = ask("escalation")
    assert set(task.timers.values_list("kind", flat=True)) == {
        *("remind", "escalate", "running_out", "overdue")
    }


def test_the_step_fails_where_its_gate_says_so_and_the_workflow_catches_it(flow, ask):
    task, execution = ask("fail")
    task.timers.filter(kind="overdue").update(at=Now())
    fire.due()
    flow.answered(task)
    assert flow.output(execution)["Error"] == "NobodyDecided"


def test_office_hours_are_counted_in_place_of_the_clock(flow, ask):
    task, _ = ask("calendar")
    local = task.decide_by.astimezone(ZoneInfo("Europe/Vienna"))
    assert local.weekday() < 5
    assert dt.time(9) <= local.time() <= dt.time(17)


def test_what_was_approved_counts_when_the_workflow_asks_again(flow, ask):
    before, _ = ask("carry-over")
    flow.decides("tom", before, APPROVE)
    again, execution = ask("carry-over")
    assert (again.approvals, again.is_pending) == (1, True)
    assert flow.task(before.pk).status == TaskStatus.SUPERSEDED
    flow.decides("lea", again, APPROVE)
    flow.answered(again)
    assert [one["reviewer"] for one in flow.output(execution)["decidedBy"]] == ["tom", "lea"]
