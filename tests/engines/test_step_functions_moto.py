"""Step Functions against real state machines, run by the emulator of the demo (moto server)."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from approvals.engines.base import EngineConfig, Fate, Step, Times
from approvals.engines.step_functions import StepFunctions
from approvals.errors import CallbackRefused
from approvals.tokens import TaskToken
from demo import aws as emulator

OUTPUT = json.dumps({"approved": True, "decisionId": "0190-decision"})
WAIT_FOR_TOKEN = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
ROLE = "arn:aws:iam::123456789012:role/demo"


@dataclass
class Refunds:
    """A state machine whose executions wait for an approval, and the queue they announce it on."""

    sfn: Any
    sqs: Any
    queue_url: str
    machine_arn: str
    engine: StepFunctions
    started: int = 0

    def start(self) -> tuple[TaskToken, Step]:
        self.started += 1
        arn = self.sfn.start_execution(
            stateMachineArn=self.machine_arn, name=f"run-{self.started}", input="{}"
        )["executionArn"]
        message = until(lambda: self.sqs.receive_message(QueueUrl=self.queue_url).get("Messages"))
        self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message[0]["ReceiptHandle"])
        token = TaskToken(json.loads(message[0]["Body"])["TaskToken"])
        return token, Step(arn, "Approve", token)

    def status(self, step: Step) -> str:
        return self.sfn.describe_execution(executionArn=step.execution_id)["status"]


def until(look: Callable[[], Any]) -> Any:
    """The first thing that `look` finds within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("nothing came within ten seconds")


@pytest.fixture(scope="module")
def refunds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refunds]:
    aws = emulator.start(tmp_path_factory.mktemp("aws"))
    with contextlib.ExitStack() as at_the_end:
        at_the_end.callback(aws.stop)
        patch = at_the_end.enter_context(pytest.MonkeyPatch.context())
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        sqs, sfn = boto3.client("sqs"), boto3.client("stepfunctions")
        queue_url = sqs.create_queue(QueueName="approvals")["QueueUrl"]
        machine = sfn.create_state_machine(
            name="refunds", definition=json.dumps(definition(queue_url)), roleArn=ROLE
        )
        engine = StepFunctions(EngineConfig("step_functions", region="us-east-1"))
        yield Refunds(sfn, sqs, queue_url, machine["stateMachineArn"], engine)


def definition(queue_url: str) -> dict[str, Any]:
    approve = {
        "Type": "Task",
        "Resource": WAIT_FOR_TOKEN,
        "Parameters": {"QueueUrl": queue_url, "MessageBody": {"TaskToken.$": "$$.Task.Token"}},
        "HeartbeatSeconds": 2,
        "TimeoutSeconds": 600,  # without it moto takes 60
        "Catch": [{"ErrorEquals": ["Rejected"], "Next": "Refused"}],
        "Next": "Paid",
    }
    refused = {"Type": "Wait", "Seconds": 30, "Next": "Paid"}
    return {
        "StartAt": "Approve",
        "States": {"Approve": approve, "Refused": refused, "Paid": {"Type": "Succeed"}},
    }


def test_a_success_makes_the_execution_succeed_and_is_found_again(refunds: Refunds) -> None:
    token, step = refunds.start()
    assert refunds.engine.find_out(step, "0190-decision") is Fate.WAITING
    refunds.engine.heartbeat(Step("", "", token))
    refunds.engine.succeed(token, OUTPUT)
    until(lambda: refunds.status(step) == "SUCCEEDED")
    execution = refunds.sfn.describe_execution(executionArn=step.execution_id)
    assert json.loads(execution["output"]) == json.loads(OUTPUT)
    assert refunds.engine.find_out(step, "0190-decision") is Fate.OURS
    assert refunds.engine.find_out(step, "another-decision") is Fate.OTHERWISE


def test_a_failure_takes_the_branch_that_catches_it(refunds: Refunds) -> None:
    token, step = refunds.start()
    refunds.engine.fail(token, "Rejected", "too expensive (0190-decision)")
    until(lambda: refunds.engine.find_out(step, "") is Fate.OTHERWISE)
    assert refunds.status(step) == "RUNNING"  # in the branch
    # moto loses the cause, and with it what a failure of ours can be told by
    assert refunds.engine.find_out(step, "0190-decision") is Fate.UNKNOWN


def test_silence_ends_a_step_and_its_token_is_refused(refunds: Refunds) -> None:
    token, step = refunds.start()
    until(lambda: refunds.status(step) == "FAILED")
    assert refunds.engine.find_out(step, "") is Fate.OTHERWISE
    assert refunds.engine.find_out(step, "0190-decision") is Fate.OTHERWISE
    with pytest.raises(CallbackRefused) as refused:  # TaskGone on AWS
        refunds.engine.heartbeat(Step("", "", token))
    assert refused.value.code == "InvalidToken"


def test_the_emulator_has_no_console(refunds: Refunds) -> None:
    _, step = refunds.start()
    assert refunds.engine.console_url(step) == ""


def test_the_times_of_the_state_are_read_from_its_definition(refunds: Refunds) -> None:
    _, step = refunds.start()
    assert refunds.engine.times(step) == Times(heartbeat_seconds=2, timeout_seconds=600)
