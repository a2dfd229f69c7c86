"""The examples' programs against a running server, and their flows' messages as Countersign reads
them."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from approvals.engines.base import Handle
from approvals.intake import keys
from approvals.intake.message import IncomingMessage
from approvals.intake.shapes import read
from approvals.models import ApprovalTask, Callback, Gate, Source, User
from approvals.outside_jobs.keys import issue_runner_key
from approvals.states import TaskStatus
from demo.alibaba.flows import filled
from tests.factories import GateFactory, SourceFactory, task_for

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "examples"


def run(*command: str, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        input=given,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(
        command, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


class Address:
    """A webhook source behind a running server, as a caller knows it."""

    def __init__(self, site: str, gate: Gate) -> None:
        self.source = SourceFactory(
            kind=Source.Kind.WEBHOOK, auth=Source.Auth.HMAC, queue_url="", gate=gate
        )
        self.source.refresh_from_db()
        self.url = f"{site}/in/{self.source.address}/"
        self.secret = keys.issue(self.source, None).secret


@pytest.fixture
def address(live_server: Any, gate: Gate) -> Address:
    return Address(live_server.url, gate)


@pytest.mark.parametrize("program", [["bash", "send.sh"], [sys.executable, "send.py"]])
def test_a_signed_message_becomes_a_task(address: Address, program: list[str]) -> None:
    command = [program[0], str(EXAMPLES / "webhook" / program[1])]
    message = (EXAMPLES / "webhook/message.json").read_bytes()
    environment = {"COUNTERSIGN_URL": address.url, "COUNTERSIGN_SECRET": address.secret}
    sent = run(*command, given=message, **environment)
    assert sent.returncode == 0, sent.stderr
    task = ApprovalTask.objects.get()
    assert str(task.pk) in sent.stdout
    assert (task.title, task.requested_by) == ("A test message", "somebody")

    refused = run(*command, given=message, **(environment | {"COUNTERSIGN_SECRET": "whsec_AAAA"}))
    assert refused.returncode != 0
    assert "wrong_credentials" in refused.stdout + refused.stderr


@pytest.fixture
def function(address: Address, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The Lambda function as its runtime loads it, its secret in Secrets Manager."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        made = boto3.client("secretsmanager").create_secret(
            Name="countersign", SecretString=address.secret
        )
        monkeypatch.setenv("SECRET_ARN", made["ARN"])
        monkeypatch.setenv("COUNTERSIGN_URL", address.url)
        spec = importlib.util.spec_from_file_location(
            "index", EXAMPLES / "lambda-webhook" / "index.py"
        )
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


def lambda_event(**fields: Any) -> dict[str, Any]:
    arn = "arn:aws:states:us-east-1:123456789012:execution:exports:night"
    return {
        "input": {"customer": "C-1001"},
        "context": {
            "Execution": {"Id": arn, "Name": "night", "Input": {"customer": "C-1001"}},
            "State": {"Name": "Approve export", "EnteredTime": "2026-11-22T10:00:00Z"},
            "StateMachine": {"Id": "x", "Name": "exports"},
            "Task": {"Token": "AQDEAAAAKgAAAAMAAAAA+token/of=="},
        },
        **fields,
    }


CALL = SimpleNamespace(aws_request_id="a1b2c3")


def test_the_function_posts_what_the_state_machine_passes(function: ModuleType) -> None:
    function.handler(lambda_event(gate="refunds"), CALL)
    function.handler(lambda_event(gate="refunds"), CALL)  # Lambda may call twice
    task = ApprovalTask.objects.get()
    assert (task.workflow, task.state, task.payload) == (
        "exports",
        "Approve export",
        {"customer": "C-1001"},
    )
    assert task.token.reveal() == "AQDEAAAAKgAAAAMAAAAA+token/of=="


def test_the_function_leaves_what_is_in_quarantine_to_an_operator(
    function: ModuleType, address: Address
) -> None:
    function.handler(lambda_event(gate="nowhere"), CALL)
    assert address.source.quarantine.get().code == "unknown_gate"


def test_the_function_fails_by_the_name_that_the_definition_retries(
    function: ModuleType, address: Address
) -> None:
    address.source.keys.all().delete()
    with pytest.raises(function.CountersignUnavailable, match="401"):
        function.handler(lambda_event(gate="refunds"), CALL)
    definition = json.loads((EXAMPLES / "lambda-webhook/approve-export.asl.json").read_text())
    retried = definition["States"]["Approve export"]["Retry"][0]["ErrorEquals"]
    assert "CountersignUnavailable" in retried


class Runner:
    """A runner on somebody's cluster, and the gate whose jobs it claims."""

    def __init__(self, site: str, actor: User) -> None:
        self.site = site
        self.gate = GateFactory(slug="nightly-reports", kind=Gate.Kind.JOB)
        self.key = issue_runner_key(self.gate, "cluster", actor).secret

    def once(self, *command: str) -> subprocess.CompletedProcess[str]:
        return run(
            *(sys.executable, str(EXAMPLES / "outside-job/runner.py"), "--once"),
            *("nightly-reports", "--", *command),
            COUNTERSIGN_URL=self.site,
            COUNTERSIGN_RUNNER_KEY=self.key,
        )


@pytest.fixture
def runner(live_server: Any, ada: User) -> Runner:
    return Runner(live_server.url, ada)


def test_the_runner_hands_the_input_over_and_reports_the_output(runner: Runner) -> None:
    task = task_for(runner.gate, input={"day": "2026-11-22"})
    count = "import json, sys; print(json.dumps({'got': json.load(sys.stdin)}))"
    done = runner.once(sys.executable, "-c", count)
    assert done.returncode == 0, done.stderr
    task.refresh_from_db()
    assert task.status == TaskStatus.SUCCEEDED
    assert json.loads(Callback.objects.get().output)["output"] == {"got": {"day": "2026-11-22"}}


def test_the_runner_reports_a_failure_by_the_name_that_the_definition_catches(
    runner: Runner,
) -> None:
    task = task_for(runner.gate)
    runner.once("bash", "-c", "echo out of memory >&2; exit 3")
    task.refresh_from_db()
    assert task.status == TaskStatus.FAILED
    answer = Callback.objects.get()
    assert answer.cause.startswith("Ended with 3. out of memory")
    definition = json.loads((EXAMPLES / "outside-job/nightly-report.asl.json").read_text())
    [state] = (one for one in definition["States"].values() if one["Type"] == "Task")
    assert [answer.error] in [catch["ErrorEquals"] for catch in state["Catch"]]


def test_the_runner_ends_where_no_job_waits(runner: Runner) -> None:
    assert runner.once("false").returncode == 0


def test_the_runner_takes_no_job_for_a_program_that_is_not_there(runner: Runner) -> None:
    task = task_for(runner.gate)
    done = runner.once("spark-sumbit", "report.py")
    assert done.returncode == 1
    assert "no program “spark-sumbit”" in done.stderr
    task.refresh_from_db()
    assert task.outside_job.claimed_at is None


def test_a_command_reports_its_progress_by_the_script(runner: Runner) -> None:
    task = task_for(runner.gate)
    script = EXAMPLES / "outside-job/report.sh"
    done = runner.once(
        "bash", "-c", f"{script} progress 40 '3 of \"7\" days' >&2; {script} heartbeat"
    )
    assert done.returncode == 0, done.stderr
    task.refresh_from_db()
    assert task.status == TaskStatus.SUCCEEDED
    assert (task.outside_job.percent, task.outside_job.note) == (40, '3 of "7" days')


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (["success", '{"rows": 1200}'], TaskStatus.SUCCEEDED),
        (["failure", "OutOfMemory", "The driver ran out."], TaskStatus.FAILED),
    ],
)
def test_the_script_reports_how_a_job_ended(
    runner: Runner, report: list[str], status: TaskStatus
) -> None:
    task = task_for(runner.gate)
    script = EXAMPLES / "outside-job/report.sh"
    # The runner's own report comes second, and is refused since it differs.
    runner.once(str(script), *report)
    task.refresh_from_db()
    assert task.status == status


def cloudflow_message(name: str) -> dict[str, Any]:
    """What the example's step hands over, filled in as CloudFlow does."""
    flow = yaml.safe_load((EXAMPLES / "cloudflow" / name).read_text())
    data = {"title": "Refund 12.50", "requestedBy": "dora", "amount": 12.5}
    new = {
        "Execution": {"Name": "run-1", "Input": data},
        "Current": {"Name": "approveRefund", "Input": data, "RetryCount": 0, "TaskToken": "t-1"},
    }
    old = {"task": {"token": "t-1"}, "execution": {"name": "run-1"}}
    roots = {"Context": new, "Input": data, "context": old, "input": data}
    if "States" in flow:
        given = flow["States"][0]["Parameters"]
        return dict(filled(given.get("message", given.get("body")), roots))
    mapped = {f"{one['target']}.$": one["source"] for one in flow["steps"][0]["inputMappings"]}
    return dict(filled(mapped, roots))


@pytest.mark.parametrize("name", ["http-new.yaml", "mns-new.yaml", "mns-old.yaml"])
def test_what_a_flow_hands_over_is_understood(name: str) -> None:
    message = read(json.dumps(cloudflow_message(name)), Handle.TOKEN)
    assert isinstance(message, IncomingMessage)
    assert (message.token.reveal(), message.title, message.timeout_seconds) == (
        "t-1",
        "Refund 12.50",
        86_400,
    )
    assert message.context.execution_name == "run-1"
    if "new" in name:
        assert message.context.execution_id == "flow/FLOW/execution/run-1"


def test_a_mapping_names_the_execution_of_an_older_flow() -> None:
    page = (EXAMPLES.parents[1] / "docs" / "connect" / "cloudflow.md").read_text()
    expression = re.search(r'"executionId": "([^"]+)"', page.replace("FLOW", "refunds"))
    assert expression
    message = read(
        json.dumps(cloudflow_message("mns-old.yaml")),
        Handle.TOKEN,
        {"executionId": expression[1]},
    )
    assert isinstance(message, IncomingMessage)
    assert message.context.execution_id == "flow/refunds/execution/run-1"
