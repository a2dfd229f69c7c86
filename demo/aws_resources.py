"""DEMO, the AWS side: the queue, the state machines of `machines/` and their executions.

Of the demo's files the only one with boto3; it knows no models.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

MACHINES = Path(__file__).parent / "machines"
QUEUE = "countersign-approvals"
# The emulator checks no role. AWS wants one that may send to the queue.
ANY_ROLE = "arn:aws:iam::123456789012:role/countersign-demo"
ANY_REGION = "us-east-1"
NOT_REACHED = (BotoCoreError, ClientError)
ERROR = ("error", "cause")

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as it stands: `step` is the state it is in or ended in."""

    arn: str
    name: str
    machine: str
    status: str
    started_at: datetime
    stopped_at: datetime | None
    step: str
    result: str  # output, or error and cause; blank while it runs


class AwsResources:
    """What the demo has in one account and region. Every call may raise one of `NOT_REACHED`."""

    def __init__(self) -> None:
        session = boto3.Session()
        self.endpoint_url = os.environ.get("AWS_ENDPOINT_URL", "")
        self.region = session.region_name or ANY_REGION
        self._sqs = session.client("sqs", region_name=self.region, config=_CONFIG)
        self._sfn = session.client("stepfunctions", region_name=self.region, config=_CONFIG)

    @property
    def is_emulator(self) -> bool:
        return bool(self.endpoint_url)

    def make_queue(self) -> str:
        """The queue's address; made where it is missing."""
        answer = self._sqs.create_queue(QueueName=QUEUE)
        return str(answer["QueueUrl"])

    def make_machines(self, queue_url: str, role_arn: str = ANY_ROLE) -> dict[str, str]:
        """Create or update every definition in `machines/`; their ARNs by name.

        `${QueueUrl}` is spelled as CloudFormation's DefinitionSubstitutions are.
        """
        arns = self.machines()
        for file in sorted(MACHINES.glob("*.json")):
            definition = file.read_text().replace("${QueueUrl}", queue_url)
            if file.stem in arns:
                self._sfn.update_state_machine(
                    stateMachineArn=arns[file.stem], definition=definition, roleArn=role_arn
                )
            else:
                made = self._sfn.create_state_machine(
                    name=file.stem, definition=definition, roleArn=role_arn
                )
                arns[file.stem] = made["stateMachineArn"]
        return arns

    def machines(self) -> dict[str, str]:
        """ARNs of the state machines that are there, by name; the demo's own alone."""
        ours = {file.stem for file in MACHINES.glob("*.json")}
        pages = self._sfn.get_paginator("list_state_machines").paginate()
        found = (machine for page in pages for machine in page["stateMachines"])
        return {m["name"]: m["stateMachineArn"] for m in found if m["name"] in ours}

    def start(self, machine_arn: str, name: str, data: dict[str, Any]) -> str:
        """Start an execution; its ARN. `name` becomes unique by a suffix (moto demands a name)."""
        answer = self._sfn.start_execution(
            stateMachineArn=machine_arn, name=f"{name}-{uuid4().hex[:6]}", input=json.dumps(data)
        )
        return str(answer["executionArn"])

    def has_executions(self) -> bool:
        return any(True for _ in self._listed())

    def knows(self, execution_arn: str) -> bool:
        try:
            self._sfn.describe_execution(executionArn=execution_arn)
        except self._sfn.exceptions.ExecutionDoesNotExist:
            return False
        return True

    def executions(self) -> list[Execution]:
        """All of them, newest first."""
        found = [self.look_at(arn) for arn in self._listed()]
        return sorted(found, key=lambda execution: execution.started_at, reverse=True)

    def look_at(self, arn: str) -> Execution:
        about = self._sfn.describe_execution(executionArn=arn)
        return Execution(
            arn=arn,
            name=about["name"],
            machine=about["stateMachineArn"].rpartition(":")[2],
            status=about["status"],
            started_at=about["startDate"],
            stopped_at=about.get("stopDate"),
            step=self._step(arn),
            result=about.get("output") or ": ".join(filter(None, map(about.get, ERROR))),
        )

    def _listed(self) -> Iterator[str]:
        pages = self._sfn.get_paginator("list_executions")
        for arn in self.machines().values():
            for page in pages.paginate(stateMachineArn=arn):
                yield from (execution["executionArn"] for execution in page["executions"])

    def _step(self, arn: str) -> str:
        """The state entered last. By number: moto ignores `reverseOrder`."""
        history = self._sfn.get_execution_history(
            executionArn=arn, reverseOrder=True, maxResults=100, includeExecutionData=False
        )
        entered = [event for event in history["events"] if "stateEnteredEventDetails" in event]
        last = max(entered, key=lambda event: event["id"], default=None)
        return str(last["stateEnteredEventDetails"]["name"]) if last else ""
