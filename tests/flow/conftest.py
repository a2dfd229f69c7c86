"""The demo's own gates, people and state machines, on an emulator that really runs them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import boto3
import pytest

from approvals.callbacks.deliver import deliver
from approvals.decisions.decide import Outcome, decide
from approvals.models import ApprovalTask, Decision, Source, User
from approvals.people.eligibility import Person
from approvals.states import CallbackStatus, Verdict
from demo import seed
from demo.aws_resources import ANY_ROLE, MACHINES, AwsResources, Execution
from demo.inputs import Start
from tests.emulated_aws import emulated_aws, take_in, until


@dataclass
class Flow:
    """One installation and the engine: what a test does to them, in the words of the flow."""

    aws: AwsResources
    queue_url: str
    machines: dict[str, str]
    source: Source

    def waits(self, start: Start, **data: Any) -> tuple[ApprovalTask, str]:
        """Start an execution and take its message in; the task, and the execution's ARN."""
        execution = self.aws.start(self.machines[start.machine], start.name, {**start.data, **data})
        [acceptance] = until(lambda: take_in(self.source))
        return self.task(acceptance.task_id), execution

    def task(self, task_id: UUID | None) -> ApprovalTask:
        return ApprovalTask.objects.select_related("gate", "connection").get(pk=task_id)

    def decides(self, username: str, task: ApprovalTask, verdict: Verdict, **said: Any) -> Outcome:
        who = Person(User.objects.get(username=username))
        return decide(task.pk, who, verdict, via=Decision.Via.INBOX, **said)

    def answered(self, task: ApprovalTask) -> None:
        """The engine takes the answer at the first attempt."""
        assert deliver(self.task(task.pk).callback.pk) == CallbackStatus.DELIVERED

    def ended(self, execution: str) -> Execution:
        def look() -> Execution | None:
            found = self.aws.look_at(execution)
            return found if found.status != "RUNNING" else None

        return until(look)

    def output(self, execution: str) -> Any:
        ended = self.ended(execution)
        assert ended.status == "SUCCEEDED", ended
        return json.loads(ended.result)

    def shorten(self, machine: str, state: str, **times: int) -> None:
        """As `machine`, with other times for one of its states, under the name `short`."""
        definition = json.loads(
            (MACHINES / f"{machine}.json").read_text().replace("${QueueUrl}", self.queue_url)
        )
        definition["States"][state] |= times
        body = definition["States"][state]["Parameters"]["MessageBody"]
        body |= {
            field: times[name]
            for field, name in (
                ("heartbeatSeconds", "HeartbeatSeconds"),
                ("timeoutSeconds", "TimeoutSeconds"),
            )
            if name in times
        }
        made = boto3.client("stepfunctions").create_state_machine(
            name=f"short-{machine}-{len(self.machines)}",
            definition=json.dumps(definition),
            roleArn=ANY_ROLE,
        )
        self.machines["short"] = made["stateMachineArn"]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsResources]:
    with emulated_aws(tmp_path_factory.mktemp("emulator") / "aws") as aws:
        yield aws


@pytest.fixture
def flow(transactional_db: None, settings: Any, emulator: AwsResources) -> Flow:
    """Transactional: inside one transaction PostgreSQL's clock stands still."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    seed.seed_people()
    seed.seed_gates()
    queue_url = emulator.make_queue()
    machines = emulator.make_machines(queue_url)
    seed.seed_source(emulator, queue_url)
    return Flow(emulator, queue_url, machines, Source.objects.select_related("connection").get())


@pytest.fixture
def random() -> Random:
    return Random(11)
