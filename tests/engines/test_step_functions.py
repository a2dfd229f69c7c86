"""Step Functions: the contract, and what every way of going wrong tells the caller to do."""

import re
import socket
import threading
from pathlib import Path

import pytest

from approvals.engines import registry
from approvals.engines.base import EngineConfig, Step
from approvals.engines.registry import ENGINES, KINDS, engine_for
from approvals.engines.step_functions import StepFunctions
from approvals.errors import (
    CallbackRefused,
    EngineError,
    EngineUnavailable,
    OutcomeUnknown,
    TaskGone,
)
from approvals.tokens import TaskToken
from tests.contracts.engine_contract import CAUSE, OUTPUT, EngineContract, assert_does_not_tell
from tests.engines.against_the_fake import FakeSteps, engine, engine_at, fake, surroundings  # noqa: F401
from tests.fakes.aws_server import AwsServer, Reply
from tests.fakes.step_functions import FAULTS, FakeStepFunctions


class TestStepFunctions(EngineContract):
    @pytest.fixture
    def steps(self, fake: FakeStepFunctions) -> FakeSteps:
        return FakeSteps(fake)


# --- what the caller should do -------------------------------------------------------------------

FAULT_MEANS: dict[str, tuple[type[EngineError], bool]] = {  # and: was the call taken?
    "accept_and_drop": (OutcomeUnknown, True),
    "accept_and_cut": (OutcomeUnknown, True),
    "accept_and_500": (OutcomeUnknown, True),
    "hang": (OutcomeUnknown, True),
    "reset": (OutcomeUnknown, False),
    "error_500": (OutcomeUnknown, False),
    "unavailable": (OutcomeUnknown, False),
    "wrong_server": (OutcomeUnknown, False),
    "throttle": (EngineUnavailable, False),
    "throttle_429": (EngineUnavailable, False),
    "kms_denied": (EngineUnavailable, False),
    "access_denied": (EngineUnavailable, False),
    "expired_credentials": (EngineUnavailable, False),
    "wrong_clock": (EngineUnavailable, False),
}


def test_every_fault_of_the_fake_is_examined() -> None:
    assert {*FAULT_MEANS, "slow"} == FAULTS


@pytest.mark.parametrize("fault", FAULT_MEANS)
@pytest.mark.parametrize("call", ["succeed", "fail", "heartbeat"])
def test_a_fault_tells_the_caller_what_to_do_after_one_call_and_without_the_token(
    fake: FakeStepFunctions, engine: StepFunctions, fault: str, call: str
) -> None:
    expected, taken = FAULT_MEANS[fault]
    token = TaskToken(fake.create_step())
    arguments = {
        "succeed": (token, OUTPUT),
        "fail": (token, "Rejected", CAUSE),
        "heartbeat": (Step("", "", token),),
    }[call]
    fake.fault(fault, times=None)  # a second try inside would meet it too, and be counted

    with pytest.raises(EngineError) as raised:
        getattr(engine, call)(*arguments)

    assert type(raised.value) is expected
    assert raised.value.code
    assert_does_not_tell(raised.value, token)
    assert raised.value.__context__ is None
    assert fake.fired(fault) == 1
    assert len(fake.calls) == 1
    step = fake.step(token.reveal())
    assert (step.status != "waiting" or bool(step.heartbeats)) is taken


def test_a_slow_answer_is_an_answer(fake: FakeStepFunctions, engine: StepFunctions) -> None:
    token = fake.create_step()
    fake.fault("slow", seconds=0.1)
    engine.succeed(TaskToken(token), OUTPUT)
    assert fake.fired("slow") == 1
    assert fake.step(token).output == OUTPUT


@pytest.mark.parametrize(
    ("action", "expected", "code"),
    [
        ("unknown", CallbackRefused, "InvalidToken"),
        ("closed", TaskGone, "TaskTimedOut"),
        ("not json", CallbackRefused, "InvalidOutput"),
        ("token too long", CallbackRefused, "ValidationException"),
        ("token blank", CallbackRefused, "ParamValidationError"),
    ],
)
def test_a_refusal_carries_the_word_of_aws(
    fake: FakeStepFunctions,
    engine: StepFunctions,
    action: str,
    expected: type[EngineError],
    code: str,
) -> None:
    token, output = fake.create_step(), OUTPUT
    match action:
        case "unknown":
            token = token[::-1]
        case "closed":
            fake.stop_execution(fake.step(token).execution.arn)
        case "not json":
            output = "{not json"
        case "token too long":
            token = token * 10
        case "token blank":
            token = ""
    with pytest.raises(expected) as raised:
        engine.succeed(TaskToken(token), output)
    assert raised.value.code == code
    if token:
        assert_does_not_tell(raised.value, TaskToken(token))


def test_the_reason_of_a_missing_permission_is_shown(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    token = TaskToken(fake.create_step())
    fake.fault("access_denied")
    with pytest.raises(EngineUnavailable, match="not authorized to perform: states:SendTask"):
        engine.succeed(token, OUTPUT)


def test_words_of_aws_that_repeat_the_token_are_not_shown(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    token = TaskToken(fake.create_step())
    fake.fault("access_denied", words=f"You may not use {token.reveal()}")
    with pytest.raises(EngineUnavailable, match="no further words") as raised:
        engine.succeed(token, OUTPUT)
    assert_does_not_tell(raised.value, token)


def test_nobody_listening_is_unavailable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        engine = engine_at(f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(EngineUnavailable) as raised:
            engine.succeed(TaskToken("secret-secret-secret"), OUTPUT)
    assert raised.value.code == "EndpointConnectionError"


def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    with pytest.raises(EngineUnavailable) as raised:
        engine_at("http://states.invalid").succeed(TaskToken("secret-secret-secret"), OUTPUT)
    assert raised.value.code == "EndpointConnectionError"


def test_missing_credentials_are_unavailable(
    fake: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(EngineUnavailable) as raised:
        engine_at(fake.url).succeed(TaskToken("secret-secret-secret"), OUTPUT)
    assert raised.value.code == "NoCredentialsError"
    assert fake.calls == []


def test_credentials_that_cannot_be_fetched_are_unavailable_since_no_call_was_made(
    fake: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "identity").write_text("identity")
    sts = AwsServer(lambda _: Reply(500, b"", content_type="text/xml"))
    sts.start()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "identity"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/countersign")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    try:
        with pytest.raises(EngineUnavailable, match="500"):
            engine_at(fake.url).succeed(TaskToken("secret-secret-secret"), OUTPUT)
    finally:
        sts.stop()
    assert fake.calls == []


def test_a_connection_that_was_closed_while_idle_is_not_an_error(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    first, second = (TaskToken(fake.create_step()) for _ in range(2))
    fake.fault("accept_and_drop")
    with pytest.raises(OutcomeUnknown):
        engine.succeed(first, OUTPUT)
    engine.succeed(second, OUTPUT)
    assert fake.step(second.reveal()).output == OUTPUT


def test_threads_share_one_engine(fake: FakeStepFunctions, engine: StepFunctions) -> None:
    tokens = [fake.create_step() for _ in range(64)]

    def answer(mine: list[str]) -> None:
        for token in mine:
            engine.succeed(TaskToken(token), OUTPUT)

    threads = [threading.Thread(target=answer, args=(tokens[i::8],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {fake.step(token).status for token in tokens} == {"succeeded"}
    assert len(fake.calls) == 64


# --- addresses and configurations ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("partition", "region", "console"),
    [
        ("aws", "eu-west-1", "https://eu-west-1.console.aws.amazon.com/"),
        ("aws-cn", "cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
        ("aws-us-gov", "us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/"),
    ],
)
def test_an_execution_has_an_address_in_the_console_of_its_partition(
    partition: str, region: str, console: str
) -> None:
    arn = f"arn:{partition}:states:{region}:123456789012:execution:refunds:run-1"
    url = StepFunctions(EngineConfig("step_functions", region=region)).console_url(Step(arn))
    assert url == f"{console}states/home?region={region}#/v2/executions/details/{arn}"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:states:evil.example/:123456789012:execution:refunds:run-1",
        "arn:aws:states:us-east-1:123456789012:stateMachine:refunds",
        "arn:aws-iso:states:us-iso-east-1:123456789012:execution:refunds:run-1",
        "https://example.com/",
    ],
)
def test_anything_but_an_execution_has_no_address(arn: str) -> None:
    engine = StepFunctions(EngineConfig("step_functions", region="us-east-1"))
    assert engine.console_url(Step(arn)) == ""


def test_an_emulator_has_no_console(engine: StepFunctions) -> None:
    arn = "arn:aws:states:us-east-1:123456789012:execution:refunds:run-1"
    assert engine.console_url(Step(arn)) == ""


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (EngineConfig("step_functions", "us east"), "region"),
        (EngineConfig("step_functions", "us-east-1", endpoint_url="nonsense"), "endpoint"),
        (EngineConfig("carrier_pigeon"), "carrier_pigeon"),
    ],
)
def test_a_configuration_that_cannot_work_says_why(config: EngineConfig, reason: str) -> None:
    with pytest.raises(EngineUnavailable, match=re.compile(reason, re.IGNORECASE)) as raised:
        engine_for(config)
    assert raised.value.code


def test_threads_get_the_same_engine_for_the_same_configuration() -> None:
    registry._make.cache_clear()
    config = EngineConfig("step_functions", region="us-east-1")
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(engine_for(config))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_every_kind_that_can_be_chosen_has_an_engine() -> None:
    assert [kind for kind, _ in KINDS] == list(ENGINES)
    for kind in ENGINES:
        assert engine_for(EngineConfig(kind, region="us-east-1")).limits.output > 0
