"""The templates as CloudFormation deploys them on an emulator, and their state machines run there.

MiniStack knows neither API destinations in templates nor `$$` passed whole; those ways run in
tests/flow/test_ministack.py.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from approvals.callbacks.deliver import deliver
from approvals.decisions.decide import decide
from approvals.models import ApprovalTask, Callback, Decision, Gate, Source, User
from approvals.states import CallbackStatus, TaskStatus, Verdict
from tests.conftest import person
from tests.emulated_aws import take_in, until
from tests.emulated_ministack import ANY_ROLE, Emulator, emulated_ministack
from tests.factories import ConnectionFactory, SourceFactory

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "examples"
REFUND = {"amount": "12.50", "customer": "C-1001", "requestedBy": "dora"}
PATIENCE = 20  # seconds
ADDRESS = "https://countersign.example.com/in/00000000-0000-0000-0000-000000000000/"


class Stacks:
    """CloudFormation of one emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self._cloudformation = boto3.client(
            "cloudformation", endpoint_url=emulator.endpoint_url, region_name="us-east-1"
        )

    def deploy(self, folder: str, **parameters: str) -> dict[str, str]:
        """The outputs of the template in `folder`."""
        self._cloudformation.create_stack(
            StackName=folder,
            TemplateBody=(EXAMPLES / folder / "cloudformation.yaml").read_text(),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_IAM"],
        )

        def finished() -> Any:
            [stack] = self._cloudformation.describe_stacks(StackName=folder)["Stacks"]
            return None if "IN_PROGRESS" in stack["StackStatus"] else stack

        stack = until(finished, PATIENCE)
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack.get("StackStatusReason")
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    with emulated_ministack(tmp_path_factory.mktemp("emulator") / "ministack") as emulator:
        yield Stacks(emulator)


@pytest.fixture(scope="module")
def by_queue(stacks: Stacks) -> dict[str, str]:
    return stacks.deploy("sqs")


class Run:
    """One execution, from its start to the branch that it took."""

    def __init__(self, stacks: Stacks, queue_url: str) -> None:
        self._emulator = stacks.emulator
        connection = ConnectionFactory(
            kind="step_functions", endpoint_url=stacks.emulator.endpoint_url
        )
        self.source: Source = SourceFactory(queue_url=queue_url, connection=connection)
        self.execution = ""

    def starts(self, machine: str) -> ApprovalTask:
        """The task of a new execution."""
        started = self._emulator.states.start_execution(
            stateMachineArn=machine, input=json.dumps(REFUND)
        )
        self.execution = str(started["executionArn"])

        def come() -> ApprovalTask | None:
            take_in(self.source)
            return ApprovalTask.objects.filter(execution_id=self.execution).first()

        return until(come, PATIENCE)

    def decides(self, task: ApprovalTask, who: User, verdict: Verdict) -> None:
        decide(task.pk, person(who), verdict, comment="Looked at.", via=Decision.Via.INBOX)
        assert deliver(Callback.objects.get(task=task).pk) == CallbackStatus.DELIVERED

    def branch(self) -> list[str]:
        """The states that it entered, once it has succeeded."""
        until(lambda: self._emulator.look_at(self.execution)[0] != "RUNNING", PATIENCE)
        assert self._emulator.look_at(self.execution)[0] == "SUCCEEDED"
        history = self._emulator.states.get_execution_history(executionArn=self.execution)
        entered = [event.get("stateEnteredEventDetails", {}) for event in history["events"]]
        return [one["name"] for one in entered if one]

    def is_stopped(self) -> None:
        self._emulator.stop(self.execution)


VERDICTS = [
    (Verdict.APPROVE, Gate.OnReject.FAILURE, "Pay back"),
    (Verdict.REJECT, Gate.OnReject.FAILURE, "Not refunded"),
    (Verdict.REJECT, Gate.OnReject.SUCCESS, "Not refunded"),
]


@pytest.mark.parametrize("definition", ["approve-refund", "approve-refund-jsonata"])
@pytest.mark.parametrize(("verdict", "on_reject", "ends"), VERDICTS)
def test_a_state_machine_takes_the_branch_that_was_decided(
    transactional_db: None,
    stacks: Stacks,
    by_queue: dict[str, str],
    gate: Gate,
    alice: User,
    definition: str,
    verdict: Verdict,
    on_reject: Gate.OnReject,
    ends: str,
) -> None:
    Gate.objects.filter(pk=gate.pk).update(on_reject=on_reject)
    machine = by_queue["StateMachineArn"]
    if definition != "approve-refund":  # the template holds the other one
        text = (EXAMPLES / "sqs" / f"{definition}.asl.json").read_text()
        machine = stacks.emulator.states.create_state_machine(
            name=f"{definition}-{verdict}-{on_reject}",
            definition=text.replace("${QueueUrl}", by_queue["QueueUrl"]).replace(
                "${Gate}", "refunds"
            ),
            roleArn=ANY_ROLE,
        )["stateMachineArn"]
    run = Run(stacks, by_queue["QueueUrl"])
    task = run.starts(machine)
    assert (task.title, task.state, task.heartbeat_seconds, task.requested_by) == (
        "Refund 12.50 to C-1001",
        "Approve refund",
        300,
        "dora",
    )
    run.decides(task, alice, verdict)
    assert ends in run.branch()


def test_an_execution_that_is_stopped_takes_its_task_along_by_the_rule_of_the_template(
    transactional_db: None, stacks: Stacks, by_queue: dict[str, str], gate: Gate
) -> None:
    run = Run(stacks, by_queue["QueueUrl"])
    task = run.starts(by_queue["StateMachineArn"])
    run.is_stopped()

    def left() -> bool:
        take_in(run.source)
        task.refresh_from_db()
        return task.status == TaskStatus.CANCELLED

    until(left, PATIENCE)


def test_a_topic_delivers_to_the_queue_of_its_template(
    transactional_db: None, stacks: Stacks, gate: Gate, alice: User
) -> None:
    made = stacks.deploy("sns", TopicName=f"refunds-{int(time.time())}")
    run = Run(stacks, made["QueueUrl"])
    task = run.starts(made["StateMachineArn"])
    run.decides(task, alice, Verdict.APPROVE)
    assert "Pay back" in run.branch()


def test_the_template_of_the_function_can_be_deployed(stacks: Stacks) -> None:
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:countersign"
    made = stacks.deploy("lambda-webhook", CountersignUrl=ADDRESS, SecretArn=secret)
    assert set(made) == {"StateMachineArn", "StateMachineName"}


def test_the_role_has_only_the_policies_that_were_asked_for(stacks: Stacks) -> None:
    made = stacks.deploy(
        "countersign-role",
        CountersignPrincipalArn="arn:aws:iam::123456789012:role/countersign",
        ExternalId="a text of our own",
        StateMachineName="refunds-*",
        QueueArn="arn:aws:sqs:us-east-1:123456789012:approvals",
    )
    iam = boto3.client("iam", endpoint_url=stacks.emulator.endpoint_url, region_name="us-east-1")
    name = made["RoleArn"].rpartition("/")[2]
    assert set(iam.list_role_policies(RoleName=name)["PolicyNames"]) == {
        "answer-waiting-steps",
        "read-the-queue",
    }
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    condition = trust["Statement"][0]["Condition"]
    assert condition == {"StringEquals": {"sts:ExternalId": "a text of our own"}}
