"""Step Functions, `manage.py doctor`: what is wrong is named, with what to mend."""

import socket
from pathlib import Path

import pytest

from approvals.engines.base import EngineConfig
from approvals.engines.step_functions import StepFunctions
from approvals.findings import Finding, Level
from tests.engines.against_the_fake import engine, engine_at, fake, surroundings  # noqa: F401
from tests.fakes.step_functions import FakeStepFunctions

OK, WARNING, BAD = Level.OK, Level.WARNING, Level.BAD
ROLE = "arn:aws:iam::210987654321:role/countersign"


def found(engine: StepFunctions, *levels: Level) -> list[Finding]:
    return [one for one in engine.examine() if one.level in (levels or Level)]


def test_a_connection_that_is_well_is_said_to_be_well_and_no_step_notices(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    token = fake.create_step()
    findings = found(engine)
    assert {one.level for one in findings} == {OK}
    assert "user/countersign" in findings[0].what
    assert len(findings) == 7
    assert fake.step(token).status == "waiting"
    assert not fake.step(token).heartbeats
    assert token not in {call.token for call in fake.calls}


@pytest.mark.parametrize("action", ["SendTaskHeartbeat", "SendTaskSuccess", "SendTaskFailure"])
def test_each_permission_that_answers_need_is_named_where_it_is_missing(
    fake: FakeStepFunctions, engine: StepFunctions, action: str
) -> None:
    fake.fault("access_denied", action=action)
    [bad] = found(engine, BAD, WARNING)
    assert (bad.level, bad.mend) == (BAD, f"Allow states:{action} (deploy/iam-policy.json).")
    assert "not authorized" in bad.what


@pytest.mark.parametrize(
    ("action", "lost"),
    [
        ("DescribeExecution", "answers that were lost"),
        ("GetExecutionHistory", "answers that were lost"),
        ("DescribeStateMachineForExecution", "have to be in the message or at the gate"),
    ],
)
def test_a_look_up_that_is_not_allowed_is_a_warning_that_says_what_is_lost(
    fake: FakeStepFunctions, engine: StepFunctions, action: str, lost: str
) -> None:
    fake.fault("access_denied", action=action)
    [warning] = found(engine, BAD, WARNING)
    assert warning.level is WARNING
    assert action in warning.what
    assert lost in warning.what


def test_a_role_is_examined_with_its_external_id(fake: FakeStepFunctions) -> None:
    fake.sts.roles[ROLE] = "ours"

    def config(external_id: str) -> EngineConfig:
        return EngineConfig("step_functions", "us-east-1", fake.url, ROLE, external_id)

    [bad] = found(StepFunctions(config("theirs")))
    assert bad.level is BAD
    assert "sts:AssumeRole" in bad.what
    assert ROLE in bad.mend
    assert "“theirs”" in bad.mend
    findings = found(StepFunctions(config("ours")))
    assert {one.level for one in findings} == {OK}
    assert ROLE in findings[0].what


def test_without_credentials_nothing_else_is_tried(
    fake: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    [bad] = found(engine_at(fake.url))
    assert (bad.level, bad.what) == (BAD, "No AWS credentials were found.")
    assert fake.calls == []


def test_an_identity_that_cannot_be_asked_for_is_no_fault(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    fake.fault("access_denied", action="GetCallerIdentity")
    assert {one.level for one in found(engine)} == {OK}


def test_a_wrong_clock_is_named(fake: FakeStepFunctions, engine: StepFunctions) -> None:
    fake.fault("wrong_clock", times=None, action="SendTaskHeartbeat")
    [bad] = found(engine, BAD)
    assert "Signature expired" in bad.what
    assert "clock" in bad.mend


def test_an_address_where_nobody_listens_is_said_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        [bad] = found(engine_at(url), BAD)
    assert url in bad.mend
