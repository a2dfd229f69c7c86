"""MESSAGE IN from an Amazon SNS topic that calls our address (a subscription over HTTPS)."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from approvals.engines.aws import said, session
from approvals.errors import MessageNotUnderstood
from approvals.findings import Finding, Level
from approvals.intake import strict_json
from approvals.intake.sources import credentials, sns_signature
from approvals.intake.sources.base import CalledSource, CallerRefused
from approvals.intake.sources.webhook import examine_keys
from approvals.models import Source

log = structlog.get_logger(__name__)

NOTIFICATION, SUBSCRIBED, UNSUBSCRIBED = (
    "Notification",
    "SubscriptionConfirmation",
    "UnsubscribeConfirmation",
)
_FAILED = (BotoCoreError, ClientError, ValueError)  # the last for an endpoint that is no address
_TOPIC = re.compile(r"arn:[^:]+:sns:(?P<region>[a-z0-9-]+):[^:]*:[^:]+")


class SNSTopic(CalledSource):
    content_types = ("text/plain", "application/json")  # SNS says the first, whatever it carries
    max_bytes = strict_json.MAX_BYTES  # 256 KiB of text grow inside JSON

    def __init__(self, source: Source) -> None:
        self._source = source
        self._topics = source.topic_arns.split()
        self._is_signed = source.auth == Source.Auth.SNS

    def verify(self, headers: Mapping[str, str], body: bytes) -> str | bytes | None:
        if not self._is_signed:
            credentials.check(self._source, headers, body)
        kind = headers.get("x-amz-sns-message-type", "")
        if headers.get("x-amz-sns-rawdelivery", "").lower() == "true":
            return self._raw(headers, kind, body)
        envelope = _envelope(body)
        if kind != envelope.get("Type"):
            raise CallerRefused(403, "wrong_type", "The header and the body name two types.")
        topic = self._allowed(envelope.get("TopicArn"))
        if self._is_signed:
            sns_signature.check(envelope, _region(topic), timezone.now())
        if kind == NOTIFICATION:
            return _signed_part(envelope)
        if kind == SUBSCRIBED:
            self._confirm(topic, envelope.get("Token"))
        elif kind == UNSUBSCRIBED:
            log.warning("topic unsubscribed", source=self._source.name, topic=topic)
        else:
            raise CallerRefused(403, "wrong_type", "SNS sends no messages of this type.")
        return None

    def _raw(self, headers: Mapping[str, str], kind: str, body: bytes) -> bytes:
        """A message without its envelope, and so without a signature."""
        if self._is_signed:
            raise CallerRefused(
                403,
                "raw_delivery",
                "Raw delivery carries no signature: switch it off for this subscription, or let "
                "SNS show a Basic password.",
            )
        if kind != NOTIFICATION:
            raise CallerRefused(403, "wrong_type", "Only notifications are delivered raw.")
        self._allowed(headers.get("x-amz-sns-topic-arn"))
        return body

    def _allowed(self, topic: Any) -> str:
        if not (isinstance(topic, str) and topic in self._topics and _TOPIC.fullmatch(topic)):
            raise CallerRefused(403, "unknown_topic", "This topic may not send here.")
        return topic

    def _confirm(self, topic: str, token: Any) -> None:
        """By the API and never by the address in the message, which anybody may have written.

        Only who may unsubscribe by the API can end it then. What fails is a 503: SNS asks again.
        """
        problem = ""
        try:
            self._client(topic).confirm_subscription(
                TopicArn=topic, Token=str(token), AuthenticateOnUnsubscribe="true"
            )
        except _FAILED as error:
            problem = said(error)[0]  # its words may quote the token
        if problem:
            log.error("topic not confirmed", source=self._source.name, topic=topic, code=problem)
            raise CallerRefused(503, "not_confirmed", f"SNS did not confirm it: {problem}.")
        log.info("topic confirmed", source=self._source.name, topic=topic)

    def _client(self, topic: str) -> Any:
        connection = self._source.connection
        return session(connection.config).client(
            "sns",
            region_name=_region(topic),
            endpoint_url=self._source.endpoint_url or connection.endpoint_url or None,
            # SNS waits 15 s for our answer.
            config=Config(connect_timeout=3, read_timeout=7, retries={"total_max_attempts": 1}),
        )

    def examine(self) -> Iterator[Finding]:
        address = settings.SITE_URL + reverse("intake", args=[self._source.address])
        yield Finding(Level.OK, f"Topics are subscribed with the address {address}")
        if not settings.SITE_URL.startswith("https://"):
            yield Finding(
                Level.WARNING,
                "SITE_URL is not https: messages, and a password, can be read on the way.",
                "Put a proxy with TLS in front and set SITE_URL and BEHIND_PROXY.",
            )
        if not self._is_signed:
            yield from examine_keys(self._source)
        if not self._topics:
            yield Finding(Level.BAD, "No topic may send.", "Name its topics.")
        for topic in self._topics:
            yield self._examine(topic)

    def _examine(self, topic: str) -> Finding:
        if not _TOPIC.fullmatch(topic):
            return Finding(
                Level.BAD,
                f"{topic} is no topic.",
                "Write its ARN, arn:aws:sns:REGION:ACCOUNT:NAME.",
            )
        try:
            pages = self._client(topic).get_paginator("list_subscriptions_by_topic")
            found = [
                subscription["SubscriptionArn"]
                for page in pages.paginate(TopicArn=topic, PaginationConfig={"MaxItems": 1_000})
                for subscription in page["Subscriptions"]
                # With a password before its host, or what AWS shows in its place.
                if str(self._source.address) in subscription["Endpoint"]
            ]
        except _FAILED as error:
            return Finding(
                Level.WARNING,
                f"Whether {topic} is subscribed can't be seen: {said(error)[0]}.",
                "Allow sns:ListSubscriptionsByTopic, or look in the console.",
            )
        if not found:
            return Finding(
                Level.BAD, f"{topic} is not subscribed.", "Subscribe this address to it."
            )
        if not any(arn.startswith("arn:") for arn in found):
            return Finding(
                Level.BAD,
                f"The subscription of {topic} waits to be confirmed.",
                "Allow sns:ConfirmSubscription, then request the confirmation again.",
            )
        return Finding(Level.OK, f"{topic} is subscribed and confirmed.")


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        envelope = strict_json.parse(body)
    except MessageNotUnderstood as problem:
        refusal = CallerRefused(403, problem.code, str(problem))
    else:
        if isinstance(envelope, dict):
            return envelope
        refusal = CallerRefused(403, "not_object", "This is no message of SNS.")
    raise refusal


def _signed_part(envelope: Mapping[str, Any]) -> str:
    """A notification without what anybody who has read it may have put beside what is signed: a
    task token there would be taken for the message's own."""
    names = sns_signature.SIGNED[NOTIFICATION]
    part = {name: envelope[name] for name in names if name in envelope}
    return json.dumps(part, ensure_ascii=False)


def _region(topic: str) -> str:
    return topic.split(":")[3]
