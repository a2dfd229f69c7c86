"""The flow on the other emulator: each way in by address, and executions that end.

What it can't do, and where that is tried instead: SNS signs nothing real (`tests/intake/test_sns`),
and sends raw messages without the headers that say so (there too); `$$` can't be passed whole
(`tests/intake/test_shapes`).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from approvals.callbacks.deliver import deliver
from approvals.decisions.decide import decide
from approvals.decisions.expire import WORKFLOW_ENDED
from approvals.intake import keys
from approvals.models import ApprovalTask, Connection, Decision, EndedExecution, Gate, Source, User
from approvals.states import CallbackStatus, TaskStatus, Verdict
from tests.conftest import person
from tests.emulated_aws import take_in, until
from tests.emulated_ministack import CONTEXT, Emulator, emulated_ministack, one_state
from tests.factories import ConnectionFactory, SourceFactory

Auth = Source.Auth
ORDER = {"order": 4711, "amount": 120.5}
PATIENCE = 20  # seconds
ENDS = {
    "source": ["aws.states"],
    "detail-type": ["Step Functions Execution Status Change"],
}


@dataclass
class Place:
    """An installation that can be called, and the emulator that calls it."""

    aws: Emulator
    url: str
    connection: Connection
    gate: Gate
    alice: User

    def source(self, kind: str = Source.Kind.WEBHOOK, **fields: Any) -> Source:
        source = SourceFactory(
            **{"kind": kind, "connection": self.connection, "gate": self.gate, "queue_url": ""}
            | fields
        )
        source.refresh_from_db()
        return source

    def address(self, source: Source) -> str:
        return self.url + reverse("intake", args=[source.address])

    def task(self, source: Source | None = None) -> ApprovalTask:
        """The only task, once it is there; a queue is read until then."""

        def look() -> ApprovalTask | None:
            if source is not None:
                take_in(source)
            return ApprovalTask.objects.select_related("gate", "connection").first()

        return until(look, PATIENCE)

    def approve(self, task: ApprovalTask) -> str:
        """Decide and deliver; the decision's id."""
        decided = decide(
            task.pk, person(self.alice), Verdict.APPROVE, comment="Fine", via=Decision.Via.INBOX
        )
        assert deliver(decided.task.callback.pk) == CallbackStatus.DELIVERED
        return str(decided.decision.pk)

    def output(self, execution: str) -> Any:
        def look() -> tuple[str, Any] | None:
            found = self.aws.look_at(execution)
            return found if found[0] != "RUNNING" else None

        status, output = until(look, PATIENCE)
        assert status == "SUCCEEDED", output
        return output


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulated_ministack(tmp_path_factory.mktemp("emulator") / "ministack") as emulator:
        yield emulator


@pytest.fixture
def place(
    transactional_db: None, live_server: LiveServer, emulator: Emulator, gate: Gate, alice: User
) -> Place:
    connection = ConnectionFactory(kind="step_functions", endpoint_url=emulator.endpoint_url)
    return Place(emulator, live_server.url, connection, gate, alice)


def by_event(source: str) -> dict[str, Any]:
    detail = {"gate": "refunds", "input.$": "$", "context": CONTEXT}
    entry = {"Source": source, "DetailType": "Approval needed", "Detail": detail}
    return one_state(
        Resource="arn:aws:states:::events:putEvents.waitForTaskToken",
        Parameters={"Entries": [entry]},
    )


def with_password(key: keys.IssuedKey, url: str) -> tuple[str, dict[str, Any]]:
    return "BASIC", {"BasicAuthParameters": {"Username": key.key_id, "Password": key.secret}}


def with_api_key(key: keys.IssuedKey, url: str) -> tuple[str, dict[str, Any]]:
    return "API_KEY", {
        "ApiKeyAuthParameters": {"ApiKeyName": "X-API-Key", "ApiKeyValue": key.secret}
    }


def with_oauth(key: keys.IssuedKey, url: str) -> tuple[str, dict[str, Any]]:
    return "OAUTH_CLIENT_CREDENTIALS", {
        "OAuthParameters": {
            "ClientParameters": {"ClientID": key.key_id, "ClientSecret": key.secret},
            "AuthorizationEndpoint": url + reverse("oauth_token"),
            "HttpMethod": "POST",
        }
    }


@pytest.mark.parametrize(
    ("auth", "shown"),
    [(Auth.BASIC, with_password), (Auth.API_KEY, with_api_key), (Auth.OAUTH, with_oauth)],
)
def test_an_event_reaches_us_by_an_api_destination(
    place: Place, auth: str, shown: Callable[[keys.IssuedKey, str], tuple[str, dict[str, Any]]]
) -> None:
    source = place.source(auth=auth)
    key = keys.issue(source, None)
    destination = place.aws.api_destination(place.address(source), *shown(key, place.url))
    place.aws.rule({"source": [f"shop.{auth}"]}, destination)

    execution = place.aws.start(by_event(f"shop.{auth}"), ORDER)
    task = place.task()
    assert (task.payload, task.state, task.execution_id) == (ORDER, "Ask", execution)
    decision = place.approve(task)
    output = place.output(execution)
    assert (output["decision"], output["decisionId"]) == ("approved", decision)


def confirmed(place: Place, source: Source, topic: str, key: keys.IssuedKey) -> None:
    """Subscribe our address, as an administrator does, and wait until we have confirmed it."""
    address = place.address(source).replace("://", f"://{key.key_id}:{key.secret}@")
    place.aws.sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=address)

    def look() -> bool:
        [found] = place.aws.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        attributes = place.aws.sns.get_subscription_attributes(
            SubscriptionArn=found["SubscriptionArn"]
        )
        return attributes["Attributes"]["PendingConfirmation"] == "false"

    until(look, PATIENCE)


def test_a_topic_is_confirmed_and_reaches_us(place: Place) -> None:
    topic = place.aws.topic()
    source = place.source(Source.Kind.SNS, auth=Auth.BASIC, topic_arns=topic)
    confirmed(place, source, topic, keys.issue(source, None))

    execution = place.aws.start(
        one_state(
            Resource="arn:aws:states:::sns:publish.waitForTaskToken",
            Parameters={
                "TopicArn": topic,
                "Subject": "Approval needed",
                "Message": {"taskToken.$": "$$.Task.Token", "title": "Refund?", "input.$": "$"},
            },
        ),
        ORDER,
    )
    task = place.task()
    assert (task.title, task.payload, task.source) == ("Refund?", ORDER, source)
    decision = place.approve(task)
    assert place.output(execution)["decisionId"] == decision


def test_a_topic_that_may_not_send_is_not_confirmed(place: Place) -> None:
    named, other = place.aws.topic(), place.aws.topic()
    source = place.source(Source.Kind.SNS, auth=Auth.BASIC, topic_arns=named)
    key = keys.issue(source, None)
    address = place.address(source).replace("://", f"://{key.key_id}:{key.secret}@")
    place.aws.sns.subscribe(TopicArn=other, Protocol="http", Endpoint=address)
    confirmed(place, source, named, key)  # by then the other one has asked as well
    [found] = place.aws.sns.list_subscriptions_by_topic(TopicArn=other)["Subscriptions"]
    attributes = place.aws.sns.get_subscription_attributes(SubscriptionArn=found["SubscriptionArn"])
    assert attributes["Attributes"]["PendingConfirmation"] == "true"


def test_jsonata_names_the_token_in_its_own_way(place: Place) -> None:
    url, _ = place.aws.queue()
    source = place.source(Source.Kind.SQS, queue_url=url)
    state = one_state(
        Resource="arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        Arguments={
            "QueueUrl": url,
            "MessageBody": {
                "taskToken": "{% $states.context.Task.Token %}",
                "title": "{% 'Refund order ' & $string($states.input.order) %}",
                "input": "{% $states.input %}",
                "context": {"Execution": {"Id": "{% $states.context.Execution.Id %}"}},
            },
        },
        Output="{% {'by': $states.result.decidedBy[0].reviewer} %}",
    )
    execution = place.aws.start({"QueryLanguage": "JSONata"} | state, ORDER)
    task = place.task(source)
    assert (task.title, task.payload) == ("Refund order 4711", ORDER)
    assert task.execution_id == execution
    place.approve(task)
    assert place.output(execution) == {"by": "alice"}


POSTS_ON = """
import json, os, urllib.request

def handler(event, context):
    request = urllib.request.Request(
        os.environ["URL"],
        data=json.dumps(event).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": "Bearer " + os.environ["KEY"],
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
"""


def test_a_function_hands_input_and_context_on(place: Place) -> None:
    place.gate.output_key = "Payload"
    place.gate.save()
    source = place.source(auth=Auth.BEARER)
    secret = keys.issue(source, None).secret
    function = place.aws.function(POSTS_ON, {"URL": place.address(source), "KEY": secret})

    execution = place.aws.start(
        one_state(
            Resource="arn:aws:states:::lambda:invoke.waitForTaskToken",
            Parameters={
                "FunctionName": function,
                "Payload": {"input.$": "$", "context": CONTEXT},
            },
            OutputPath="$.Payload",
        ),
        ORDER,
    )
    task = place.task()
    assert (task.payload, task.execution_id) == (ORDER, execution)
    decision = place.approve(task)
    output = place.output(execution)
    assert (output["approved"], output["decisionId"]) == (True, decision)


def by_queue(url: str) -> dict[str, Any]:
    return one_state(
        Resource="arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        Parameters={"QueueUrl": url, "MessageBody": {"input.$": "$", "context": CONTEXT}},
    )


def is_cancelled(task: ApprovalTask) -> bool:
    task.refresh_from_db()
    return task.status == TaskStatus.CANCELLED


def test_an_execution_that_is_stopped_takes_its_task_along(place: Place) -> None:
    """Its message and its end through one queue."""
    url, arn = place.aws.queue()
    source = place.source(Source.Kind.SQS, queue_url=url)
    place.aws.rule(ENDS, arn)
    execution, goes_on = (place.aws.start(by_queue(url), ORDER) for _ in range(2))

    def both() -> bool:
        take_in(source)
        return ApprovalTask.objects.count() == 2

    until(both, PATIENCE)
    task = ApprovalTask.objects.get(execution_id=execution)
    place.aws.stop(execution)

    def gone() -> bool:
        take_in(source)
        return is_cancelled(task)

    until(gone, PATIENCE)
    assert task.settled_reason == WORKFLOW_ENDED
    assert ApprovalTask.objects.get(execution_id=goes_on).is_pending


def test_the_end_may_come_by_an_api_destination(place: Place) -> None:
    url, _ = place.aws.queue()
    queue, webhook = place.source(Source.Kind.SQS, queue_url=url), place.source(auth=Auth.BASIC)
    key = keys.issue(webhook, None)
    destination = place.aws.api_destination(place.address(webhook), *with_password(key, place.url))
    place.aws.rule(ENDS, destination)
    execution = place.aws.start(by_queue(url), ORDER)
    task = place.task(queue)
    place.aws.stop(execution)
    until(lambda: is_cancelled(task), PATIENCE)


def test_a_task_whose_execution_ended_before_its_message_came_never_waits(place: Place) -> None:
    url, _ = place.aws.queue()
    ends, ends_arn = place.aws.queue()
    place.aws.rule(ENDS, ends_arn)
    execution = place.aws.start(by_queue(url), ORDER)
    until(lambda: messages_in(place, url), PATIENCE)
    place.aws.stop(execution)
    of_ends = place.source(Source.Kind.SQS, queue_url=ends)

    def heard() -> bool:
        take_in(of_ends)
        ended = EndedExecution.objects.filter(execution_id=execution, status="ABORTED")
        return ended.exists()

    until(heard, PATIENCE)
    task = place.task(place.source(Source.Kind.SQS, queue_url=url))
    assert (task.status, task.execution_id) == (TaskStatus.CANCELLED, execution)


def messages_in(place: Place, url: str) -> bool:
    name = "ApproximateNumberOfMessages"
    answer = place.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(answer["Attributes"][name]) > 0


def test_an_execution_that_succeeds_settles_nothing_anew(place: Place) -> None:
    url, arn = place.aws.queue()
    source = place.source(Source.Kind.SQS, queue_url=url)
    place.aws.rule(ENDS, arn)
    execution = place.aws.start(by_queue(url), ORDER)
    task = place.task(source)
    place.approve(task)
    place.output(execution)

    def heard() -> bool:
        take_in(source)
        return EndedExecution.objects.filter(status="SUCCEEDED").exists()

    until(heard, PATIENCE)
    task.refresh_from_db()
    assert (task.status, json.dumps(task.payload)) == (TaskStatus.APPROVED, json.dumps(ORDER))
