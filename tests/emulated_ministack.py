"""The other AWS emulator for tests: what it runs, in the words of the flow."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from demo import ministack

ANY_ROLE = "arn:aws:iam::000000000000:role/any"
CONTEXT = {
    "Execution": {"Id.$": "$$.Execution.Id", "Name.$": "$$.Execution.Name"},
    "State": {"Name.$": "$$.State.Name", "EnteredTime.$": "$$.State.EnteredTime"},
    "StateMachine": {"Id.$": "$$.StateMachine.Id", "Name.$": "$$.StateMachine.Name"},
    "Task": {"Token.$": "$$.Task.Token"},
}


class Emulator:
    """One life of the emulator. Names are made up: what one test leaves disturbs no other."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self.sns, self.sqs, self.events, self.states, self.functions = (
            boto3.client(name, endpoint_url=endpoint_url, region_name="us-east-1")
            for name in ("sns", "sqs", "events", "stepfunctions", "lambda")
        )

    def start(self, definition: dict[str, Any], data: dict[str, Any]) -> str:
        """Start an execution of a new state machine; its ARN."""
        machine = self.states.create_state_machine(
            name=_name("machine"), definition=json.dumps(definition), roleArn=ANY_ROLE
        )
        answer = self.states.start_execution(
            stateMachineArn=machine["stateMachineArn"], input=json.dumps(data)
        )
        return str(answer["executionArn"])

    def look_at(self, execution: str) -> tuple[str, Any]:
        """Its status and, once there is one, its output."""
        answer = self.states.describe_execution(executionArn=execution)
        return answer["status"], json.loads(answer.get("output") or "null")

    def stop(self, execution: str) -> None:
        self.states.stop_execution(executionArn=execution)

    def queue(self) -> tuple[str, str]:
        """Address and ARN of a new queue."""
        url = str(self.sqs.create_queue(QueueName=_name("queue"))["QueueUrl"])
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, answer["Attributes"]["QueueArn"]

    def topic(self) -> str:
        return str(self.sns.create_topic(Name=_name("topic"))["TopicArn"])

    def rule(self, pattern: dict[str, Any], target_arn: str) -> None:
        name = _name("rule")
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        self.events.put_targets(
            Rule=name, Targets=[{"Id": "1", "Arn": target_arn, "RoleArn": ANY_ROLE}]
        )

    def api_destination(self, url: str, kind: str, parameters: dict[str, Any]) -> str:
        """The ARN of one with a connection of its own."""
        name = _name("destination")
        connection = self.events.create_connection(
            Name=name, AuthorizationType=kind, AuthParameters=parameters
        )
        made = self.events.create_api_destination(
            Name=name,
            ConnectionArn=connection["ConnectionArn"],
            InvocationEndpoint=url,
            HttpMethod="POST",
        )
        return str(made["ApiDestinationArn"])

    def function(self, code: str, environment: dict[str, str]) -> str:
        """The name of a new function with the handler `index.handler`."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", code)
        name = _name("function")
        self.functions.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=ANY_ROLE,
            Handler="index.handler",
            Code={"ZipFile": packed.getvalue()},
            Environment={"Variables": environment},
            Timeout=15,
        )
        return name


def one_state(**state: Any) -> dict[str, Any]:
    """A definition whose only state waits for its answer."""
    return {"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "End": True} | state}}


@contextmanager
def emulated_ministack(folder: Path) -> Iterator[Emulator]:
    """boto3 finds it by the environment until it ends."""
    running = ministack.start(folder)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in running.environment.items():
                patch.setenv(name, value)
            yield Emulator(running.endpoint_url)
    finally:
        running.stop()


def _name(kind: str) -> str:
    return f"{kind}-{uuid4().hex[:8]}"
