"""Step Functions in another account: the role is assumed, renewed, and refused in clear words."""

import threading
from typing import Any

import boto3
import pytest
from django.core.exceptions import ValidationError

from approvals.callbacks.deliver import OPERATOR_FIRST
from approvals.engines import aws
from approvals.engines.base import EngineConfig, Step
from approvals.engines.step_functions import StepFunctions
from approvals.errors import EngineUnavailable
from approvals.models import Connection
from approvals.tokens import TaskToken
from tests.contracts.engine_contract import OUTPUT, assert_does_not_tell
from tests.emulated_aws import emulated_aws
from tests.engines.against_the_fake import fake, surroundings  # noqa: F401
from tests.fakes.step_functions import FakeStepFunctions

ROLE = "arn:aws:iam::210987654321:role/workflows/countersign"


def engine_in_role(url: str, external_id: str = "") -> StepFunctions:
    return StepFunctions(
        EngineConfig(
            "step_functions",
            region="us-east-1",
            endpoint_url=url,
            role_arn=ROLE,
            external_id=external_id,
        )
    )


def test_calls_are_made_with_the_credentials_of_the_role(fake: FakeStepFunctions) -> None:
    fake.sts.roles[ROLE] = "our-own-id"
    engine, token = engine_in_role(fake.url, "our-own-id"), fake.create_step()

    engine.heartbeat(Step("", "", TaskToken(token)))
    engine.succeed(TaskToken(token), OUTPUT)

    assert fake.step(token).output == OUTPUT
    assert [call.action for call in fake.calls] == [
        "AssumeRole",
        "SendTaskHeartbeat",
        "SendTaskSuccess",
    ]
    assert [fake.sts.keys.get(call.key) for call in fake.calls] == [None, ROLE, ROLE]


@pytest.mark.parametrize("shown", ["", "somebody-elses-id"])
def test_a_role_that_may_not_be_assumed_says_so_and_nothing_was_sent(
    fake: FakeStepFunctions, shown: str
) -> None:
    fake.sts.roles[ROLE] = "our-own-id"
    engine, token = engine_in_role(fake.url, shown), TaskToken(fake.create_step())
    with pytest.raises(EngineUnavailable, match=r"not authorized to perform: sts:AssumeRole") as no:
        engine.succeed(token, OUTPUT)
    assert no.value.code == "AccessDenied"
    assert no.value.code.startswith(OPERATOR_FIRST), "tried again slowly"
    assert ROLE in str(no.value)
    assert no.value.__context__ is None
    assert_does_not_tell(no.value, token)
    assert fake.count("SendTaskSuccess") == 0


@pytest.mark.parametrize("fault", ["accept_and_drop", "accept_and_cut", "reset", "hang"])
def test_a_lost_answer_of_sts_is_no_lost_answer_of_the_engine(
    fake: FakeStepFunctions, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "STS", aws.STS.merge(aws.Config(read_timeout=1)))
    monkeypatch.setattr(aws, "REFUSED_FOR", 0.0)
    fake.sts.roles[ROLE] = ""
    engine, token = engine_in_role(fake.url), fake.create_step()
    fake.fault(fault, times=None, action="AssumeRole")
    with pytest.raises(EngineUnavailable) as raised:
        engine.succeed(TaskToken(token), OUTPUT)
    assert raised.value.__context__ is None
    assert fake.count("SendTaskSuccess") == 0
    fake.clear_faults()
    engine.succeed(TaskToken(token), OUTPUT)
    assert fake.step(token).output == OUTPUT


def test_many_threads_do_not_ask_one_after_the_other_for_a_role_that_is_refused(
    fake: FakeStepFunctions,
) -> None:
    engine = engine_in_role(fake.url)
    refused: list[EngineUnavailable] = []

    def call() -> None:
        try:
            engine.heartbeat(Step("", "", TaskToken("secret-secret-secret")))
        except EngineUnavailable as error:
            refused.append(error)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 16
    assert fake.count("AssumeRole") == 1


def test_credentials_are_renewed_before_they_expire(fake: FakeStepFunctions) -> None:
    fake.sts.roles[ROLE] = ""
    fake.sts.lifetime = 500  # below the ten minutes before which they have to be renewed
    engine, step = engine_in_role(fake.url), Step("", "", TaskToken(fake.create_step()))
    engine.heartbeat(step)
    engine.heartbeat(step)
    assert fake.count("AssumeRole") > 1
    assert len({call.key for call in fake.calls if call.action == "SendTaskHeartbeat"}) == 2


def test_credentials_that_are_over_by_our_clock_name_the_clock(fake: FakeStepFunctions) -> None:
    fake.sts.roles[ROLE] = ""
    fake.sts.lifetime = -60
    with pytest.raises(EngineUnavailable, match="expired by our clock"):
        engine_in_role(fake.url).succeed(TaskToken(fake.create_step()), OUTPUT)


def test_a_private_endpoint_is_amazons_own_and_an_emulator_is_not() -> None:
    vpce = "https://vpce-0a1b-2c3d.states.eu-west-1.vpce.amazonaws.com"
    for url, endpoint in [
        (vpce, "https://sts.eu-west-1.amazonaws.com"),
        ("", "https://sts.eu-west-1.amazonaws.com"),
        ("http://localhost:4566", "http://localhost:4566"),
    ]:
        config = EngineConfig("step_functions", region="eu-west-1", endpoint_url=url)
        assert aws.sts(boto3.Session(), config).meta.endpoint_url == endpoint


def test_another_emulator_lets_the_role_be_assumed_too(tmp_path: Any) -> None:
    with emulated_aws(tmp_path / "aws"):
        config = EngineConfig("step_functions", region="us-east-1", role_arn=ROLE)
        session = aws.session(config)
        assert session.get_credentials().get_frozen_credentials().access_key.startswith("ASIA")
        who = aws.sts(session, config).get_caller_identity()["Arn"]
    assert who == "arn:aws:sts::210987654321:assumed-role/countersign/countersign"


@pytest.mark.parametrize(
    ("arn", "is_well"),
    [
        (ROLE, True),
        ("arn:aws-cn:iam::210987654321:role/countersign", True),
        ("arn:aws:iam::210987654321:user/countersign", False),
        ("arn:aws:sts::210987654321:assumed-role/countersign/x", False),
        ("countersign", False),
        (ROLE + " ", False),
    ],
)
def test_a_role_has_the_form_of_a_role(arn: str, is_well: bool) -> None:
    connection = Connection(name="c", region="us-east-1", role_arn=arn)
    if is_well:
        connection.clean()
    else:
        with pytest.raises(ValidationError, match="ARN of a role"):
            connection.clean()
