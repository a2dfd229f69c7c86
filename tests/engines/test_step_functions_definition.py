"""Step Functions, times: what the definition that an execution runs says of its states."""

import json
from typing import Any

import pytest

from approvals.engines.base import Step, Times
from approvals.engines.step_functions import StepFunctions
from approvals.engines.step_functions_definition import Definitions, states_of
from approvals.errors import CallbackRefused, EngineUnavailable
from tests.engines.against_the_fake import engine, fake, surroundings  # noqa: F401
from tests.fakes.executions import new_execution_arn
from tests.fakes.step_functions import FakeStepFunctions

READ = "DescribeStateMachineForExecution"


def task(**fields: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    } | fields


def machine(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


@pytest.mark.parametrize(
    ("fields", "times"),
    [
        ({"HeartbeatSeconds": 60, "TimeoutSeconds": 3600}, Times(60, 3600)),
        ({"TimeoutSeconds": 3600}, Times(None, 3600)),
        ({"HeartbeatSecondsPath": "$.h", "TimeoutSecondsPath": "$.t"}, Times()),
        ({"HeartbeatSeconds": "{% $h %}", "TimeoutSeconds": "{% 60 * 60 %}"}, Times()),
        ({"HeartbeatSeconds": True, "TimeoutSeconds": -1}, Times()),
        ({"HeartbeatSeconds": 0, "TimeoutSeconds": 10**12}, Times()),
        ({}, Times()),
    ],
)
@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_only_fixed_numbers_count(fields: dict[str, Any], times: Times, language: str) -> None:
    definition = machine(Approve=task(**fields)) | {"QueryLanguage": language}
    assert states_of(json.dumps(definition))["Approve"] == times


def test_a_state_is_found_wherever_it_stands() -> None:
    inside = {
        "Type": "Parallel",
        "Branches": [machine(A=task(HeartbeatSeconds=1)), machine(B=task())],
    }
    definition = machine(
        First={"Type": "Pass"},
        Each={"Type": "Map", "ItemProcessor": machine(C=task(HeartbeatSeconds=3), Deep=inside)},
        Old={"Type": "Map", "Iterator": machine(D=task(TimeoutSeconds=4))},
    )
    states = states_of(json.dumps(definition))
    assert states["A"] == Times(1)
    assert states["B"] == states["First"] == Times()
    assert states["C"] == Times(3)
    assert states["D"] == Times(None, 4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[" * 100_000,
        '{"States": []}',
        '{"States": {"A": 1}}',
        '{"States": {"A": {"Branches": 1, "Iterator": [1], "ItemProcessor": {"States": 2}}}}',
    ],
)
def test_what_is_no_definition_says_nothing(text: str) -> None:
    assert set(states_of(text).values()) <= {Times()}


def test_the_definition_is_read_once_a_minute_for_all_executions_of_a_machine(
    fake: FakeStepFunctions, engine: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = new_execution_arn(), new_execution_arn()
    fake.define(first, machine(Approve=task(HeartbeatSeconds=10), Sign=task(TimeoutSeconds=20)))
    fake.create_step(first), fake.create_step(second, "Sign")
    assert engine.times(Step(first, "Approve")) == Times(10)
    assert engine.times(Step(second, "Sign")) == Times(None, 20)
    assert engine.times(Step("", "Approve")) == Times()
    assert fake.count(READ) == 1

    monkeypatch.setattr(Definitions, "KEPT", 0.0)
    engine._definitions = Definitions()
    for _ in range(2):
        engine.times(Step(first, "Approve"))
    assert fake.count(READ) == 3


def test_a_state_that_is_new_in_the_definition_is_looked_for_once_more(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    arn = new_execution_arn()
    fake.create_step(arn)
    fake.define(arn, machine(Approve=task()))
    engine.times(Step(arn, "Approve"))
    fake.define(arn, machine(Approve=task(), Sign=task(HeartbeatSeconds=10)))
    assert engine.times(Step(arn, "Sign")) == Times(10)
    assert [engine.times(Step(arn, "Nowhere")) for _ in range(3)] == [Times()] * 3
    assert fake.count(READ) == 3


def test_the_memory_of_definitions_is_bounded() -> None:
    definitions = Definitions()
    for number in range(1000):
        definitions.keep(f"machine-{number}:run", {})
    assert len(definitions._read) == Definitions.MOST
    assert definitions.get("machine-999:another-run") == {}
    assert definitions.get("machine-0:run") is None


@pytest.mark.parametrize("fault", ["access_denied", "kms_denied"])
def test_a_definition_that_is_not_ours_to_see_is_refused_and_not_asked_for_again(
    fake: FakeStepFunctions, engine: StepFunctions, fault: str
) -> None:
    arn = new_execution_arn()
    fake.create_step(arn)
    fake.fault(fault, times=None)
    for _ in range(3):
        with pytest.raises(CallbackRefused, match=r"denies|not authorized"):
            engine.times(Step(arn, "Approve"))
    assert fake.count(READ) == 1


def test_an_execution_that_nobody_knows_is_refused(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    with pytest.raises(CallbackRefused) as refused:
        engine.times(Step(new_execution_arn(), "Approve"))
    assert refused.value.code == "ExecutionDoesNotExist"


@pytest.mark.parametrize("fault", ["throttle", "error_500", "accept_and_drop", "wrong_server"])
def test_a_definition_that_cannot_be_read_for_now_is_read_later(
    fake: FakeStepFunctions, engine: StepFunctions, fault: str
) -> None:
    arn = fake.step(fake.create_step(heartbeat_seconds=10)).execution.arn
    fake.fault(fault)
    with pytest.raises(EngineUnavailable):
        engine.times(Step(arn, "Approve"))
    assert engine.times(Step(arn, "Approve")) == Times(10)
