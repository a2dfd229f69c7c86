"""A message may ask some of a gate's reviewers alone, and bring a form and choices of its own."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.decisions.decide import decide
from approvals.errors import CannotDecide, MessageNotUnderstood
from approvals.intake.accept import accept, rehearse
from approvals.models import ApprovalTask, Decision, Gate, Source, User
from approvals.states import Verdict
from tests.conftest import OTHER_TEAM, TEAM, person
from tests.factories import GateFactory, message, task_for


@pytest.fixture
def open_gate(db: None) -> Gate:
    return GateFactory(slug="open", name="Open", groups=[TEAM, OTHER_TEAM], own_reviewers=True)


def test_only_those_may_decide_whom_the_message_names(
    open_gate: Gate, alice: User, bob: User, charlie: User
) -> None:
    task = task_for(open_gate, reviewers={"users": ["BOB@example.com"], "groups": [OTHER_TEAM]})
    assert (task.is_narrowed, task.payload) == (True, None)
    with pytest.raises(CannotDecide, match="asks others of its gate"):
        decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
    decide(task.pk, person(charlie), Verdict.APPROVE, via=Decision.Via.INBOX)


def test_a_majority_is_one_of_those_who_are_named(
    open_gate: Gate, alice: User, bob: User, charlie: User, dora: User
) -> None:
    Gate.objects.update(needs=Gate.Needs.MAJORITY)
    assert task_for(open_gate).required == 3
    assert task_for(open_gate, reviewers={"users": ["bob"]}).required == 1


@pytest.mark.parametrize(
    ("asked", "gate", "words"),
    [
        ({"users": ["olive", "bob"]}, {}, "These do not review at “Open”: olive."),
        ({"groups": ["Nobody"], "users": ["x"]}, {}, "“Open”: x, Nobody."),
        ({"users": ["bob"]}, {"quorum": 2}, "too few may decide"),
        ({"users": ["bob"]}, {"needs": "each"}, "too few may decide"),
        ({"users": ["bob"]}, {"exclude_requester": True}, "too few may decide"),
        ({"users": ["bob"]}, {"own_reviewers": False}, "Tick “messages may narrow"),
    ],
)
def test_names_that_the_gate_does_not_permit_go_to_quarantine(
    open_gate: Gate, source: Source, alice: User, bob: User, charlie: User, olive: User,
    asked: dict[str, Any], gate: dict[str, Any], words: str,
) -> None:  # fmt: skip
    Gate.objects.update(**gate)
    body = message(gate="open", reviewers=asked, requestedBy="bob")
    [acceptance] = accept(source, [body])
    assert acceptance.problem is not None
    assert acceptance.problem.code == "bad_reviewers"
    assert words in str(acceptance.problem)
    with pytest.raises(MessageNotUnderstood):
        rehearse(source, body)


def test_a_large_batch_asks_as_many_queries_as_a_small_one(
    open_gate: Gate, source: Source, bob: User
) -> None:
    counts = []
    for number in (2, 10):
        bodies = [message(gate="open", reviewers={"users": ["bob"]}) for _ in range(number)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            accept(source, bodies)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert ApprovalTask.objects.filter(is_narrowed=True).count() == 12


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"form": {"type": "string"}}, "The field form: The form has to be of type “object”"),
        ({"form": {"properties": {"a": {"pattern": "(a+)+"}}}}, "The field form: The pattern"),
        ({"choices": [{"verdict": "approve"}]}, "The field choices: Each choice needs a “label”"),
        ({"choices": ["a", "a"]}, "The field choices: Two choices have the same key."),
        ({"choices": ["\u202ea"]}, "The field choices: Each choice needs a “label”"),
        ({"choices": [7]}, "The field choices: The choices have to be a list"),
        ({"choices": list("abcdefg")}, "The field choices: These are more than 6"),
    ],
)
def test_what_cant_be_asked_goes_to_quarantine(
    gate: Gate, source: Source, fields: dict[str, Any], words: str
) -> None:
    [acceptance] = accept(source, [message(gate="refunds", **fields)])
    assert acceptance.problem is not None
    assert acceptance.problem.code == "bad_field"
    assert words in str(acceptance.problem)


def test_everyday_words_in_the_workflows_own_data_stay_there(gate: Gate) -> None:
    data = {"form": {"id": 7}, "choices": ["a", "b"], "reviewers": {"users": ["x"]}}
    task = task_for(gate, input=data)
    assert (task.payload, task.form, task.choices, task.is_narrowed) == (data, None, [], False)
    assert task_for(gate, form="A-38").payload == {"form": "A-38"}


def test_the_token_is_masked_in_what_is_asked(gate: Gate) -> None:
    token = "token-that-nobody-may-see"
    form = {"properties": {"a": {"type": "string", "default": token, "title": token}}}
    task = task_for(gate, taskToken=token, form=form, choices=[{"label": "A", "output": token}])
    assert token not in repr((task.form, task.choices))
