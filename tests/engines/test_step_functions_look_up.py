"""Step Functions, looking back: what became of a step whose answer we may have given."""

import time

import pytest

from approvals.engines.base import Fate, Step
from approvals.engines.step_functions import StepFunctions
from approvals.errors import EngineUnavailable, OutcomeUnknown, TaskGone
from approvals.tokens import TaskToken
from tests.contracts.engine_contract import OUTPUT, assert_does_not_tell
from tests.engines.against_the_fake import FakeSteps, engine, fake, surroundings  # noqa: F401
from tests.fakes.step_functions import FakeStepFunctions

DECISION = "0190-decision"


def test_an_answer_that_was_lost_is_found_again(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    token, step = FakeSteps(fake).create()
    fake.fault("accept_and_drop")
    with pytest.raises(OutcomeUnknown):
        engine.succeed(token, OUTPUT)
    with pytest.raises(TaskGone):
        engine.succeed(token, OUTPUT)
    assert engine.find_out(step, DECISION) is Fate.OURS


def test_a_call_that_never_arrived_is_found_waiting(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    token, step = FakeSteps(fake).create()
    fake.fault("reset")
    with pytest.raises(OutcomeUnknown):
        engine.succeed(token, OUTPUT)
    assert engine.find_out(step, DECISION) is Fate.WAITING


@pytest.mark.parametrize("decision_id", ["", DECISION])
def test_a_step_that_timed_out_in_an_execution_that_goes_on_has_ended(
    fake: FakeStepFunctions, engine: StepFunctions, decision_id: str
) -> None:
    token = fake.create_step(timeout_seconds=0.01, last=False)
    arn = fake.step(token).execution.arn
    time.sleep(0.02)
    assert engine.find_out(Step(arn, "Approve"), decision_id) is Fate.OTHERWISE
    assert fake.step(token).execution.status == "RUNNING"


def test_the_token_tells_a_retry_from_the_try_before(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    before = fake.create_step(last=False)
    arn = fake.step(before).execution.arn
    engine.fail(TaskToken(before), "Timeout", "somebody else")
    retry = fake.create_step(arn, retry_of=before)
    assert engine.find_out(Step(arn, "Approve", TaskToken(before)), "") is Fate.OTHERWISE
    assert engine.find_out(Step(arn, "Approve", TaskToken(retry)), "") is Fate.WAITING
    assert engine.find_out(Step(arn, "Approve"), "") is Fate.WAITING


def test_the_token_tells_the_iterations_of_a_map_apart(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    one = fake.create_step(last=False)
    arn = fake.step(one).execution.arn
    two = fake.create_step(arn, last=False)
    engine.succeed(TaskToken(two), OUTPUT)
    assert engine.find_out(Step(arn, "Approve", TaskToken(one)), "other") is Fate.WAITING
    assert engine.find_out(Step(arn, "Approve", TaskToken(two)), "other") is Fate.OTHERWISE


def test_another_state_that_waits_is_not_mistaken_for_ours(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    ours = fake.create_step(state="Approve", last=False)
    arn = fake.step(ours).execution.arn
    engine.succeed(TaskToken(ours), "{}")
    fake.create_step(arn, state="Sign")
    assert engine.find_out(Step(arn, "Approve"), "") is Fate.OTHERWISE
    assert engine.find_out(Step(arn, "Sign"), "") is Fate.WAITING
    assert engine.find_out(Step(arn, "Elsewhere"), "") is Fate.UNKNOWN


def test_a_failure_without_a_cause_may_be_ours(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    token, step = FakeSteps(fake).create()
    engine.fail(token, "Rejected", "")
    assert engine.find_out(step, DECISION) is Fate.UNKNOWN
    assert engine.find_out(step, "") is Fate.OTHERWISE


def test_a_long_history_is_read_page_by_page_up_to_a_bound(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    token = fake.create_step(last=False)
    run = fake.step(token).execution
    engine.succeed(TaskToken(token), OUTPUT)
    for _ in range(2_000):
        run.add("WaitStateEntered", 0)
    assert engine.find_out(Step(run.arn, "Approve"), DECISION) is Fate.OURS
    for _ in range(8_000):
        run.add("WaitStateEntered", 0)
    before = len(fake.calls)
    assert engine.find_out(Step(run.arn, "Approve"), DECISION) is Fate.UNKNOWN
    assert len(fake.calls) - before == 11  # one DescribeExecution, ten pages


@pytest.mark.parametrize("action", ["DescribeExecution", "GetExecutionHistory"])
@pytest.mark.parametrize("fault", ["access_denied", "kms_denied"])
def test_a_look_up_that_is_not_permitted_tells_nothing(
    fake: FakeStepFunctions, engine: StepFunctions, action: str, fault: str
) -> None:
    _, step = FakeSteps(fake).create()
    fake.fault(fault, action=action)
    assert engine.find_out(step, DECISION) is Fate.UNKNOWN
    assert fake.fired(fault) == 1


@pytest.mark.parametrize("fault", ["throttle", "error_500", "accept_and_drop", "wrong_server"])
def test_a_look_up_that_fails_for_now_is_to_be_repeated(
    fake: FakeStepFunctions, engine: StepFunctions, fault: str
) -> None:
    token, step = FakeSteps(fake).create()
    fake.fault(fault)
    with pytest.raises(EngineUnavailable) as raised:
        engine.find_out(step, DECISION)
    assert_does_not_tell(raised.value, token)
    assert fake.fired(fault) == 1
    assert engine.find_out(step, DECISION) is Fate.WAITING


def test_words_of_aws_that_hold_what_looks_like_a_token_are_not_shown(
    fake: FakeStepFunctions, engine: StepFunctions
) -> None:
    token, step = FakeSteps(fake).create()
    fake.fault("throttle", words=f"Too often: {token.reveal()}")
    with pytest.raises(EngineUnavailable, match="no further words") as raised:
        engine.times(Step(step.execution_id, step.state))
    assert_does_not_tell(raised.value, token)
