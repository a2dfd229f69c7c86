"""MESSAGE IN from Amazon SQS."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from approvals.engines import aws
from approvals.findings import Finding, Level
from approvals.intake.sources.base import PolledSource, Received, SourceUnavailable
from approvals.models import Source

BATCH = 10  # what one call of SQS gives and takes
# Storing a batch takes a fraction of a second; what is given out again sooner is stored twice over.
SHORT = 20  # seconds
# What cannot be stored for so long, because PostgreSQL is away, should not leave the queue yet.
LONG = 600  # seconds
NOBODYS_HANDLE = "countersign-doctor"


class SQSQueue(PolledSource):
    def __init__(self, source: Source) -> None:
        self._queue_url = source.queue_url
        config = replace(
            source.connection.config,
            region=source.region or source.connection.region,
            endpoint_url=source.endpoint_url or source.connection.endpoint_url,
        )
        self._client = aws.session(config).client(
            "sqs",
            region_name=config.region or None,
            endpoint_url=config.endpoint_url or None,
            config=Config(
                connect_timeout=5,
                read_timeout=settings.SQS_WAIT_SECONDS + 10,
                retries={"total_max_attempts": 1},  # the receiver's own loop tries again
            ),
        )

    def examine(self) -> Iterator[Finding]:
        try:
            answer = self._client.get_queue_attributes(
                QueueUrl=self._queue_url, AttributeNames=["All"]
            )
        except (BotoCoreError, ClientError) as error:
            code, words = aws.said(error)
            yield Finding(Level.BAD, words or code, _mend(code))
            return
        attributes = answer["Attributes"]
        waiting = attributes.get("ApproximateNumberOfMessages", "?")
        yield Finding(Level.OK, f"The queue answers; about {waiting} messages wait in it.")
        yield self._may_delete()
        yield from _settings(attributes)

    def _may_delete(self) -> Finding:
        """Tried with a handle of no message; a message to receive might be missed elsewhere."""
        try:
            self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=NOBODYS_HANDLE)
        except (BotoCoreError, ClientError) as error:
            code, words = aws.said(error)
            if "AccessDenied" in code or not isinstance(error, ClientError):
                return Finding(Level.BAD, words, "Allow sqs:DeleteMessage and sqs:ReceiveMessage.")
        return Finding(Level.OK, "sqs:DeleteMessage is allowed.")

    def receive(self) -> list[Received]:
        try:
            answer = self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=settings.SQS_WAIT_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
        except (BotoCoreError, ClientError) as error:
            raise SourceUnavailable(str(error)) from None
        return [
            Received(
                body=message["Body"], handle=message["ReceiptHandle"], sent_at=_sent_at(message)
            )
            for message in answer.get("Messages", [])
        ]

    def forget(self, items: list[Received]) -> None:
        try:
            answer = self._client.delete_message_batch(
                QueueUrl=self._queue_url,
                Entries=[
                    {"Id": str(position), "ReceiptHandle": item.handle}
                    for position, item in enumerate(items)
                ],
            )
        except (BotoCoreError, ClientError) as error:
            raise SourceUnavailable(str(error)) from None
        if failed := answer.get("Failed"):
            raise SourceUnavailable(f"{len(failed)} not deleted: {failed[0].get('Code', '')}")


def _sent_at(message: dict[str, Any]) -> dt.datetime | None:
    """Milliseconds since 1970 in AWS's SQS; not every emulator tells."""
    said = message.get("Attributes", {}).get("SentTimestamp", "")
    return dt.datetime.fromtimestamp(int(said) / 1000, dt.UTC) if said else None


def _mend(code: str) -> str:
    if "NonExistentQueue" in code:
        return "Check the queue's address, its region and its account."
    if "AccessDenied" in code:
        return (
            "Allow sqs:GetQueueAttributes on the queue (deploy/iam-policy.json), or assume a role."
        )
    return "Check the region, the credentials, and the way from here to SQS."


def _settings(attributes: dict[str, str]) -> Iterator[Finding]:
    """What is not well with the queue's own attributes."""
    visibility = int(attributes.get("VisibilityTimeout", 30))
    if visibility < SHORT:
        yield Finding(
            Level.WARNING,
            f"Its visibility timeout is {visibility} s: messages come again while they are stored.",
            f"Set at least {SHORT} s; 30 s is well.",
        )
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    if not redrive:
        yield Finding(
            Level.WARNING,
            "It has no dead-letter queue: what can never be stored comes again until it expires.",
            f"Add one, with a maxReceiveCount of {LONG // max(visibility, 1)} or more.",
        )
    elif visibility * int(redrive.get("maxReceiveCount", 0)) < LONG:
        yield Finding(
            Level.WARNING,
            "Messages go to its dead-letter queue when PostgreSQL is away for "
            f"{visibility * int(redrive.get('maxReceiveCount', 0))} s.",
            f"Raise maxReceiveCount to {LONG // max(visibility, 1)} or more.",
        )
    if _is_open(json.loads(attributes.get("Policy") or "{}")):
        yield Finding(
            Level.BAD,
            "Its policy lets anybody send messages.",
            "Name the state machine's role as the principal, or add a condition.",
        )


def _is_open(policy: dict[str, Any]) -> bool:
    statements = policy.get("Statement", [])
    return any(
        one.get("Effect") == "Allow"
        and one.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        and not one.get("Condition")
        for one in (statements if isinstance(statements, list) else [statements])
    )
