"""DEMO, the AWS side: the queue, the state machines of `machines/` and their executions.

Of the demo's files the only one with boto3 besides `ministack_resources`; it knows no models.
"""

import json
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config

from demo.execution import Execution

MACHINES = Path(__file__).parent / "machines"
QUEUE = "countersign-approvals"
# The emulator checks no role. AWS wants one that may send to the queue.
ANY_ROLE = "arn:aws:iam::123456789012:role/countersign-demo"
ANY_REGION = "us-east-1"
ERROR = ("error", "cause")

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})


class AwsResources:
    """What the demo has in one account and region.

    Every call may raise one of `engines.NOT_REACHED`.
    """

    folder = MACHINES

    def __init__(self, endpoint_url: str = "") -> None:
        self.endpoint_url = endpoint_url or os.environ.get("AWS_ENDPOINT_URL", "")
        self._session = boto3.Session()
        self.region = self._session.region_name or ANY_REGION

    @cached_property
    def _sqs(self) -> Any:
        return self._client("sqs")

    @cached_property
    def _sfn(self) -> Any:
        return self._client("stepfunctions")

    def _client(self, service: str) -> Any:
        return self._session.client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint_url or None,
            config=_CONFIG,
        )

    @property
    def label(self) -> str:
        """What the engine is called in the list of executions."""
        return "Step Functions (moto)" if self.is_emulator else "Step Functions"

    @property
    def is_emulator(self) -> bool:
        return bool(self.endpoint_url)

    def make_queue(self) -> str:
        """The queue's address; made where it is missing."""
        answer = self._sqs.create_queue(QueueName=QUEUE)
        return str(answer["QueueUrl"])

    def make_machines(self, queue_url: str, role_arn: str = ANY_ROLE) -> dict[str, str]:
        """Create or update every definition of `folder`; their ARNs by name."""
        return self._make_machines({"QueueUrl": queue_url}, role_arn)

    def _make_machines(self, given: Mapping[str, str], role_arn: str) -> dict[str, str]:
        """`given` takes the place of `${Name}`, as CloudFormation's DefinitionSubstitutions do."""
        arns = self.machines()
        for file in sorted(self.folder.glob("*.json")):
            definition = file.read_text()
            for name, value in given.items():
                definition = definition.replace(f"${{{name}}}", value)
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
        ours = {file.stem for file in self.folder.glob("*.json")}
        pages = self._sfn.get_paginator("list_state_machines").paginate()
        found = (machine for page in pages for machine in page["stateMachines"])
        return {m["name"]: m["stateMachineArn"] for m in found if m["name"] in ours}

    def start(self, machine_arn: str, name: str, data: dict[str, Any]) -> str:
        """Start an execution; its ARN. `name` becomes unique by a suffix (moto demands a name)."""
        answer = self._sfn.start_execution(
            stateMachineArn=machine_arn, name=f"{name}-{uuid4().hex[:6]}", input=json.dumps(data)
        )
        return str(answer["executionArn"])

    def has_executions(self, machine: str = "") -> bool:
        """Whether there are any, of one state machine or of all."""
        return any(True for _ in self._listed(machine))

    def knows(self, execution_arn: str) -> bool:
        try:
            self._sfn.describe_execution(executionArn=execution_arn)
        except self._sfn.exceptions.ExecutionDoesNotExist:
            return False
        return True

    def executions(self) -> list[Execution]:
        return [self.look_at(arn) for arn in self._listed()]

    def look_at(self, arn: str) -> Execution:
        about = self._sfn.describe_execution(executionArn=arn)
        return Execution(
            id=arn,
            name=about["name"],
            workflow=about["stateMachineArn"].rpartition(":")[2],
            status=about["status"],
            started_at=about["startDate"],
            stopped_at=about.get("stopDate"),
            step=self._step(arn),
            result=about.get("output") or ": ".join(filter(None, map(about.get, ERROR))),
            engine=self.label,
        )

    def _listed(self, machine: str = "") -> Iterator[str]:
        pages = self._sfn.get_paginator("list_executions")
        for arn in [arn for name, arn in self.machines().items() if machine in ("", name)]:
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
