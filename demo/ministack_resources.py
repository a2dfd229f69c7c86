"""DEMO, the other AWS emulator: what else than a queue messages come by, and its executions.

Made once in a life of the emulator, which keeps everything in memory; knows no models.
"""

import io
import json
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from demo.aws_resources import ANY_ROLE, MACHINES, AwsResources
from demo.execution import NotReached
from demo.paths import ROOT

FUNCTION = ROOT / "deploy" / "examples" / "lambda-webhook" / "index.py"
CALLING_TOPIC, QUEUE_TOPIC = "price-changes", "credit-limits"
NAME = "countersign"
ASKS = {"source": ["access.desk"], "detail-type": ["Approval needed"]}
ENDS = {
    "source": ["aws.states"],
    "detail-type": ["Step Functions Execution Status Change"],
}
CONFIRMED_WITHIN = 20  # seconds


@dataclass(frozen=True)
class Caller:
    """An address of ours, and what callers show there."""

    url: str
    key_id: str
    secret: str = field(repr=False)


class MiniStackResources(AwsResources):
    folder = MACHINES / "ministack"
    label = "Step Functions (MiniStack)"

    def make_topics(self) -> tuple[str, str]:
        """The ARNs of the topic that calls us, and of the one with a queue behind it."""
        sns = self._client("sns")
        calling, queue = (sns.create_topic(Name=name) for name in (CALLING_TOPIC, QUEUE_TOPIC))
        return calling["TopicArn"], queue["TopicArn"]

    def make_ways(
        self, *, function: Caller, topic: Caller, destination: Caller, token_url: str
    ) -> dict[str, str]:
        """All that stands between the state machines and us, then these; their ARNs by name.

        Our web process has to answer: a topic asks for confirmation.
        """
        if machines := self.machines():
            return machines  # they are made last
        queue_url = self.make_queue()
        answer = self._sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        queue_arn = answer["Attributes"]["QueueArn"]
        calling, queued = self.make_topics()
        self._client("sns").subscribe(TopicArn=queued, Protocol="sqs", Endpoint=queue_arn)
        self._subscribe(calling, topic)
        self._make_rule("asks", ASKS, self._make_destination(destination, token_url))
        self._make_rule("ends", ENDS, queue_arn)
        given = {
            "CallingTopic": calling,
            "QueueTopic": queued,
            "Function": self._make_function(function),
        }
        return self._make_machines(given, ANY_ROLE)

    def _subscribe(self, topic: str, caller: Caller) -> None:
        """Our address with its password, and wait until we have confirmed."""
        sns = self._client("sns")
        parts = urlsplit(caller.url)
        who = f"{caller.key_id}:{caller.secret}@{parts.netloc}"
        sns.subscribe(
            TopicArn=topic, Protocol=parts.scheme, Endpoint=urlunsplit(parts._replace(netloc=who))
        )
        until = time.monotonic() + CONFIRMED_WITHIN
        while time.monotonic() < until:
            [found] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
            about = sns.get_subscription_attributes(SubscriptionArn=found["SubscriptionArn"])
            if about["Attributes"]["PendingConfirmation"] == "false":
                return
            time.sleep(0.1)
        raise NotReached(f"The topic {topic} was not confirmed.")

    def _make_destination(self, caller: Caller, token_url: str) -> str:
        events = self._client("events")
        connection = events.create_connection(
            Name=NAME,
            AuthorizationType="OAUTH_CLIENT_CREDENTIALS",
            AuthParameters={
                "OAuthParameters": {
                    "ClientParameters": {"ClientID": caller.key_id, "ClientSecret": caller.secret},
                    "AuthorizationEndpoint": token_url,
                    "HttpMethod": "POST",
                }
            },
        )
        made = events.create_api_destination(
            Name=NAME,
            ConnectionArn=connection["ConnectionArn"],
            InvocationEndpoint=caller.url,
            HttpMethod="POST",
        )
        return str(made["ApiDestinationArn"])

    def _make_rule(self, name: str, pattern: dict[str, list[str]], target: str) -> None:
        events = self._client("events")
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target, "RoleArn": ANY_ROLE}])

    def _make_function(self, caller: Caller) -> str:
        """The name of the function of deploy/examples, which signs with `caller`'s secret."""
        secret = self._client("secretsmanager").create_secret(Name=NAME, SecretString=caller.secret)
        self._client("lambda").create_function(
            FunctionName=NAME,
            Runtime="python3.11",
            Role=ANY_ROLE,
            Handler="index.handler",
            Code={"ZipFile": _zipped(FUNCTION)},
            Environment={
                "Variables": {
                    "COUNTERSIGN_URL": caller.url,
                    "SECRET_ARN": secret["ARN"],
                    "AWS_ENDPOINT_URL": self.endpoint_url,
                }
            },
            Timeout=30,
        )
        return NAME


def _zipped(file: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(file.name, file.read_text())
    return packed.getvalue()
