"""CloudFlow: the contract, and what every way of going wrong tells the caller to do."""

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from alibabacloud_credentials.utils import auth_util

from approvals.engines.base import EngineConfig, Fate, Step
from approvals.engines.cloudflow import CloudFlow
from approvals.errors import (
    CallbackRefused,
    EngineError,
    EngineUnavailable,
    OutcomeUnknown,
    TaskGone,
)
from approvals.findings import Level
from approvals.tokens import TaskToken, encrypt
from demo.alibaba.server import Alibaba
from demo.alibaba.wire import FAULTS
from tests.contracts.engine_contract import CAUSE, OUTPUT, EngineContract, assert_does_not_tell
from tests.engines.against_alibaba import (  # noqa: F401
    FlowSteps,
    alibaba,
    engine,
    engine_at,
    surroundings,
)

DECISION = "0190-decision"


class TestCloudFlow(EngineContract):
    has_heartbeats = False

    @pytest.fixture
    def steps(self, alibaba: Alibaba) -> FlowSteps:
        return FlowSteps(alibaba)


# --- what the caller should do -------------------------------------------------------------------

FAULT_MEANS: dict[str, tuple[type[EngineError], bool]] = {  # and: was the call taken?
    "accept_and_drop": (OutcomeUnknown, True),
    "accept_and_500": (OutcomeUnknown, True),
    "hang": (OutcomeUnknown, True),
    "reset": (OutcomeUnknown, False),
    "error_500": (OutcomeUnknown, False),
    "unavailable": (OutcomeUnknown, False),
    "wrong_server": (OutcomeUnknown, False),
    "wrong_json": (OutcomeUnknown, False),
    "throttle": (EngineUnavailable, False),
    "throttle_429": (EngineUnavailable, False),
    "access_denied": (EngineUnavailable, False),
    "unheard_of": (CallbackRefused, False),
}


def test_every_fault_of_the_stand_in_is_examined() -> None:
    assert {*FAULT_MEANS} == FAULTS


@pytest.mark.parametrize("fault", FAULT_MEANS)
@pytest.mark.parametrize("call", ["succeed", "fail"])
def test_a_fault_tells_the_caller_what_to_do_after_one_call_and_without_the_token(
    alibaba: Alibaba, engine: CloudFlow, fault: str, call: str
) -> None:
    expected, taken = FAULT_MEANS[fault]
    token, _ = FlowSteps(alibaba).create()
    arguments = {"succeed": (OUTPUT,), "fail": ("Rejected", CAUSE)}[call]
    alibaba.cloudflow.faults.switch_on(fault, times=None)  # a second try inside would be counted

    with pytest.raises(EngineError) as raised:
        getattr(engine, call)(token, *arguments)

    assert type(raised.value) is expected
    assert raised.value.code
    assert_does_not_tell(raised.value, token)
    assert raised.value.__context__ is None
    assert alibaba.cloudflow.faults.fired(fault) == 1
    assert len(alibaba.cloudflow.calls) == 1
    assert bool(alibaba.cloudflow.answer(token.reveal())) is taken


@pytest.mark.parametrize("fault", [name for name in FAULT_MEANS if name != "unheard_of"])
def test_a_look_up_that_failed_ends_no_task(
    alibaba: Alibaba, engine: CloudFlow, fault: str
) -> None:
    _, step = FlowSteps(alibaba).create()
    alibaba.cloudflow.faults.switch_on(fault, times=None)
    with pytest.raises((EngineUnavailable, OutcomeUnknown)):
        engine.heartbeat(step)
    with suppress(EngineUnavailable):
        assert engine.find_out(step, DECISION) is Fate.UNKNOWN


@pytest.mark.parametrize(
    ("action", "expected", "code"),
    [
        ("unknown", CallbackRefused, "InvalidArgument"),
        ("answered", TaskGone, "TaskAlreadyCompleted"),
        ("stopped", TaskGone, "TaskAlreadyCompleted"),
        ("not json", CallbackRefused, "InvalidArgument"),
        ("too large", CallbackRefused, "EntityTooLarge"),
        ("token blank", CallbackRefused, "MissingRequiredParams"),
    ],
)
def test_a_refusal_carries_the_word_of_the_vendor(
    alibaba: Alibaba,
    engine: CloudFlow,
    action: str,
    expected: type[EngineError],
    code: str,
) -> None:
    steps, output = FlowSteps(alibaba), OUTPUT
    token, step = steps.create()
    match action:
        case "unknown":
            token = TaskToken(token.reveal()[::-1])
        case "answered":
            engine.fail(token, "Rejected", CAUSE)
        case "stopped":
            steps.stop(step)
        case "not json":
            output = "{not json"
        case "too large":
            output = f'"{"x" * 65_536}"'
        case "token blank":
            token = TaskToken("")
    with pytest.raises(expected) as raised:
        engine.succeed(token, output)
    assert raised.value.code == code
    if token.reveal():
        assert_does_not_tell(raised.value, token)


def test_the_reason_of_a_missing_permission_is_shown(alibaba: Alibaba, engine: CloudFlow) -> None:
    token, _ = FlowSteps(alibaba).create()
    alibaba.cloudflow.faults.switch_on("access_denied")
    with pytest.raises(EngineUnavailable, match="may not fnf:ReportTask"):
        engine.succeed(token, OUTPUT)


@pytest.mark.parametrize("fault", ["access_denied", "unheard_of", "throttle"])
def test_words_of_the_vendor_that_repeat_the_token_are_not_shown(
    alibaba: Alibaba, engine: CloudFlow, fault: str
) -> None:
    token, _ = FlowSteps(alibaba).create()
    alibaba.cloudflow.faults.switch_on(fault, words=f"You may not use {token.reveal()}")
    with pytest.raises(EngineError, match="no further words") as raised:
        engine.succeed(token, OUTPUT)
    assert_does_not_tell(raised.value, token)


@pytest.mark.parametrize(("error", "cause"), [("", ""), ("Rejected", ""), ("", "Because")])
def test_a_rejection_without_words_still_arrives(
    alibaba: Alibaba, engine: CloudFlow, error: str, cause: str
) -> None:
    token, _ = FlowSteps(alibaba).create()
    engine.fail(token, error, cause)
    told = alibaba.cloudflow.answer(token.reveal())
    assert told == (error or "Rejected", cause or "No reason was given.")


# --- who we are ----------------------------------------------------------------------------------


def test_a_wrong_secret_is_refused_and_can_be_mended(alibaba: Alibaba) -> None:
    token, _ = FlowSteps(alibaba).create()
    with pytest.raises(EngineUnavailable) as raised:
        engine_at(alibaba, secret="not the secret").succeed(token, OUTPUT)
    assert raised.value.code == "SignatureDoesNotMatch"
    assert alibaba.cloudflow.answer(token.reveal()) == ()
    engine_at(alibaba).succeed(token, OUTPUT)
    assert alibaba.cloudflow.answer(token.reveal()) == (OUTPUT,)


def test_an_access_key_that_is_gone_is_unavailable(alibaba: Alibaba) -> None:
    token, _ = FlowSteps(alibaba).create()
    engine = engine_at(alibaba)
    object.__setattr__(alibaba.key, "id", "another")
    with pytest.raises(EngineUnavailable) as raised:
        engine.succeed(token, OUTPUT)
    assert raised.value.code == "InvalidAccessKeyID"


def test_without_a_key_the_identity_of_the_process_is_used(
    alibaba: Alibaba, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the vendor's library has read from the environment when it was loaded.
    monkeypatch.setattr(auth_util, "environment_access_key_id", alibaba.key.id)
    monkeypatch.setattr(auth_util, "environment_access_key_secret", alibaba.key.secret)
    token, _ = FlowSteps(alibaba).create()
    CloudFlow(EngineConfig("cloudflow", endpoint_url=alibaba.url)).succeed(token, OUTPUT)
    assert alibaba.cloudflow.answer(token.reveal()) == (OUTPUT,)


def test_missing_credentials_are_unavailable(
    alibaba: Alibaba, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("environment_access_key_id", "environment_access_key_secret"):
        monkeypatch.setattr(auth_util, name, None)
    monkeypatch.setattr(auth_util, "environment_ecs_metadata_disabled", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    engine = CloudFlow(EngineConfig("cloudflow", endpoint_url=alibaba.url))
    with pytest.raises(EngineUnavailable) as raised:
        engine.succeed(TaskToken("secret-secret-secret"), OUTPUT)
    assert raised.value.code == "NoCredentials"
    assert alibaba.cloudflow.calls == []


def test_the_secret_is_not_printed(alibaba: Alibaba) -> None:
    engine = engine_at(alibaba)
    assert alibaba.key.secret not in repr(vars(engine)) + repr(vars(engine._client))
    assert alibaba.key.secret not in repr(alibaba.key)


def test_the_vendor_s_library_prints_no_token_even_when_told_to(
    alibaba: Alibaba,
    engine: CloudFlow,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("DEBUG", "sdk")
    token, step = FlowSteps(alibaba).create()
    engine.heartbeat(step)
    engine.succeed(token, OUTPUT)
    with pytest.raises(TaskGone):
        engine.succeed(token, OUTPUT)
    printed = capfd.readouterr()
    assert token.reveal()[:16] not in printed.out + printed.err + caplog.text
    assert "TaskToken" not in printed.out + printed.err + caplog.text


# --- the way there -------------------------------------------------------------------------------


def test_nobody_listening_is_unavailable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        engine = at(f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(EngineUnavailable) as raised:
            engine.succeed(TaskToken("secret-secret-secret"), OUTPUT)
    assert raised.value.code == "NewConnectionError"
    assert_does_not_tell(raised.value, TaskToken("secret-secret-secret"))


def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    with pytest.raises(EngineUnavailable):
        at("https://fnf.invalid").succeed(TaskToken("secret-secret-secret"), OUTPUT)


def test_a_configuration_without_a_region_says_why() -> None:
    for region in ("", "evil.example/"):
        with pytest.raises(EngineUnavailable, match="region") as raised:
            CloudFlow(EngineConfig("cloudflow", region=region))
        assert raised.value.code


def test_the_vendor_s_own_address_follows_from_the_region() -> None:
    engine = CloudFlow(EngineConfig("cloudflow", region="cn-shanghai"))
    assert engine._client._endpoint == "cn-shanghai.fnf.aliyuncs.com"
    assert engine._client._protocol == "https"


def test_threads_share_one_engine(alibaba: Alibaba, engine: CloudFlow) -> None:
    steps = FlowSteps(alibaba)
    tokens = [steps.create()[0] for _ in range(32)]

    def answer(mine: list[TaskToken]) -> None:
        for token in mine:
            engine.succeed(token, OUTPUT)

    threads = [threading.Thread(target=answer, args=(tokens[i::8],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [steps.answer(token) for token in tokens] == [(OUTPUT,)] * 32


def at(url: str) -> CloudFlow:
    secret = encrypt("secret")
    return CloudFlow(EngineConfig("cloudflow", endpoint_url=url, key_id="some", secret=secret))


# --- looking back --------------------------------------------------------------------------------


def test_an_answer_that_was_lost_is_found_again(alibaba: Alibaba, engine: CloudFlow) -> None:
    token, step = FlowSteps(alibaba).create()
    alibaba.cloudflow.faults.switch_on("accept_and_drop")
    with pytest.raises(OutcomeUnknown):
        engine.succeed(token, OUTPUT)
    with pytest.raises(TaskGone):
        engine.succeed(token, OUTPUT)
    assert engine.find_out(step, DECISION) is Fate.OURS


@pytest.mark.parametrize("call", ["succeed", "fail"])
def test_an_answer_is_found_in_an_execution_that_goes_on(
    alibaba: Alibaba, engine: CloudFlow, call: str
) -> None:
    token, step = FlowSteps(alibaba).create(flow="contracts")
    arguments = {"succeed": (OUTPUT,), "fail": ("Rejected", CAUSE)}[call]
    getattr(engine, call)(token, *arguments)
    assert engine.find_out(step, DECISION) is Fate.OURS
    assert engine.find_out(step, "another-decision") is Fate.OTHERWISE
    assert engine.find_out(step, "") is Fate.OTHERWISE


def test_another_step_that_waits_is_not_mistaken_for_ours(
    alibaba: Alibaba, engine: CloudFlow
) -> None:
    token, step = FlowSteps(alibaba).create(flow="contracts")
    engine.succeed(token, "{}")
    assert engine.find_out(step, "") is Fate.OTHERWISE
    assert engine.find_out(Step(step.execution_id, "Sign"), "") is Fate.WAITING
    assert engine.find_out(Step(step.execution_id, "Elsewhere"), "") is Fate.UNKNOWN


def test_a_call_that_never_arrived_is_found_waiting(alibaba: Alibaba, engine: CloudFlow) -> None:
    token, step = FlowSteps(alibaba).create()
    alibaba.cloudflow.faults.switch_on("reset")
    with pytest.raises(OutcomeUnknown):
        engine.succeed(token, OUTPUT)
    assert engine.find_out(step, DECISION) is Fate.WAITING


def test_without_permission_to_look_nothing_is_said(alibaba: Alibaba, engine: CloudFlow) -> None:
    _, step = FlowSteps(alibaba).create()
    alibaba.cloudflow.faults.switch_on("access_denied", times=None, action="GetExecutionHistory")
    assert engine.find_out(step, DECISION) is Fate.UNKNOWN
    alibaba.cloudflow.faults.switch_on("access_denied", times=None, action="DescribeExecution")
    assert engine.find_out(step, DECISION) is Fate.UNKNOWN


def test_a_long_history_is_read_page_by_page_up_to_a_bound(
    alibaba: Alibaba, engine: CloudFlow
) -> None:
    token, step = FlowSteps(alibaba).create(flow="contracts")
    run = alibaba.cloudflow.execution("contracts", step.execution_id.rsplit("/", 1)[1])
    for _ in range(1_500):
        run.add("StepEntered", "Elsewhere")
    engine.succeed(token, OUTPUT)
    assert engine.find_out(step, DECISION) is Fate.OURS
    for _ in range(5_000):
        run.add("StepEntered", "Elsewhere")
    assert engine.find_out(step, "another-decision") is Fate.UNKNOWN


@pytest.mark.parametrize("status", ["Stopped", "Failed", "TimedOut", "Succeeded"])
def test_an_execution_that_ended_is_noticed_without_heartbeats(
    alibaba: Alibaba, engine: CloudFlow, status: str
) -> None:
    _, step = FlowSteps(alibaba).create()
    engine.heartbeat(step)
    alibaba.cloudflow.stop("refunds", step.execution_id.rsplit("/", 1)[1], status)
    with pytest.raises(TaskGone) as raised:
        engine.heartbeat(step)
    assert raised.value.code == status


def test_a_step_of_an_unnamed_execution_is_left_alone_without_a_call(
    alibaba: Alibaba, engine: CloudFlow
) -> None:
    engine.heartbeat(Step("", "Approve", TaskToken("any")))
    assert alibaba.cloudflow.calls == []


def test_an_execution_that_is_not_there_is_told_to_operators(
    alibaba: Alibaba, engine: CloudFlow
) -> None:
    with pytest.raises(CallbackRefused) as raised:
        engine.heartbeat(Step("flow/refunds/execution/never", "Approve", TaskToken("any")))
    assert raised.value.code == "ExecutionNotExists"


# --- doctor --------------------------------------------------------------------------------------


def test_the_doctor_finds_a_connection_that_works(engine: CloudFlow) -> None:
    assert [finding.level for finding in engine.examine()] == [Level.OK, Level.OK]


def test_the_doctor_finds_a_wrong_secret_and_a_missing_permission(alibaba: Alibaba) -> None:
    findings = list(engine_at(alibaba, secret="wrong").examine())
    assert [finding.level for finding in findings] == [Level.BAD, Level.BAD]
    alibaba.cloudflow.faults.switch_on("access_denied", action="DescribeExecution")
    findings = list(engine_at(alibaba).examine())
    assert [finding.level for finding in findings] == [Level.BAD, Level.OK]
    assert "fnf:DescribeExecution" in findings[0].mend
