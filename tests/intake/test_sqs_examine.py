"""SQS, `manage.py doctor`: what is wrong with a queue is named, with what to mend."""

import json
from typing import Any
from uuid import uuid4

import pytest

from approvals.engines import aws
from approvals.engines.base import EngineConfig
from approvals.findings import Finding, Level
from approvals.intake.sources.sqs import SQSQueue
from tests.factories import ConnectionFactory, SourceFactory, message
from tests.fakes.step_functions import FakeStepFunctions

OK, WARNING, BAD = Level.OK, Level.WARNING, Level.BAD
ARN = "arn:aws:sqs:us-east-1:123456789012:dead"
ROLE = "arn:aws:iam::210987654321:role/countersign"

pytestmark = pytest.mark.django_db


@pytest.fixture
def make(sqs: Any) -> Any:
    sqs.create_queue(QueueName="dead")

    def queue(**attributes: str) -> str:
        well = {
            "VisibilityTimeout": "30",
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": ARN, "maxReceiveCount": 50}),
        }
        both = {name: value for name, value in (well | attributes).items() if value}
        return sqs.create_queue(QueueName=f"q-{uuid4().hex[:8]}", Attributes=both)["QueueUrl"]

    return queue


def found(moto: str, queue_url: str, **connection: str) -> list[Finding]:
    source = SourceFactory(
        queue_url=queue_url, endpoint_url=moto, connection=ConnectionFactory(**connection)
    )
    return list(SQSQueue(source).examine())


def test_a_queue_that_is_well_is_said_to_be_well_and_loses_nothing(sqs, moto, make):
    queue_url = make()
    sqs.send_message(QueueUrl=queue_url, MessageBody=message())
    findings = found(moto, queue_url)
    assert {one.level for one in findings} == {OK}
    assert "about 1 messages" in findings[0].what
    [held] = sqs.receive_message(QueueUrl=queue_url, AttributeNames=["All"])["Messages"]
    assert held["Attributes"]["ApproximateReceiveCount"] == "1", "it was not taken before"


@pytest.mark.parametrize(
    ("attributes", "said", "mend"),
    [
        ({"VisibilityTimeout": "5", "RedrivePolicy": ""}, "5 s: messages come again", "20 s"),
        ({"RedrivePolicy": ""}, "no dead-letter queue", "maxReceiveCount of 20 or more"),
        (
            {"RedrivePolicy": json.dumps({"deadLetterTargetArn": ARN, "maxReceiveCount": 3})},
            "when PostgreSQL is away for 90 s",
            "20 or more",
        ),
    ],
)
def test_settings_that_lose_or_double_messages_are_named(moto, make, attributes, said, mend):
    warnings = [one for one in found(moto, make(**attributes)) if one.level is WARNING]
    assert said in warnings[0].what
    assert mend in warnings[0].mend


@pytest.mark.parametrize(
    ("condition", "levels"),
    [(None, {BAD}), ({"ArnLike": {"aws:SourceArn": "arn:aws:states:*"}}, set())],
)
def test_a_queue_that_anybody_may_send_to_is_named(moto, make, condition, levels):
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    if condition:
        statement["Condition"] = condition
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert {one.level for one in found(moto, make(Policy=policy))} - {OK} == levels


def test_a_queue_that_is_not_there_is_named(moto, make):
    [bad] = found(moto, make() + "x")
    assert bad.level is BAD
    assert "address" in bad.mend


def test_a_queue_of_another_account_is_read_in_the_role_of_its_connection(moto):
    config = EngineConfig("step_functions", "us-east-1", endpoint_url=moto, role_arn=ROLE)
    theirs = aws.session(config).client("sqs", endpoint_url=moto)
    queue_url = theirs.create_queue(QueueName="theirs")["QueueUrl"]
    assert "/210987654321/" in queue_url
    assert BAD not in {one.level for one in found(moto, queue_url, role_arn=ROLE)}


def test_a_role_of_a_queue_that_may_not_be_assumed_is_named():
    with FakeStepFunctions() as fake:
        [bad] = found(fake.url, f"{fake.url}/210987654321/theirs", role_arn=ROLE)
    assert bad.level is BAD
    assert "sts:AssumeRole" in bad.what
