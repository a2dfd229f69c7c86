"""MESSAGE IN from Amazon SQS."""

from collections.abc import Iterator

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from approvals.engines.aws import session
from approvals.findings import Finding, Level
from approvals.intake.sources.base import PolledSource, Received, SourceUnavailable
from approvals.models import Source

BATCH = 10  # what one call of SQS gives and takes


class SQSQueue(PolledSource):
    def __init__(self, source: Source) -> None:
        self._queue_url = source.queue_url
        self._client = session(source.connection.config).client(
            "sqs",
            region_name=source.region or source.connection.region or None,
            endpoint_url=source.endpoint_url or source.connection.endpoint_url or None,
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
            yield Finding(Level.BAD, str(error), "Check the address and sqs:GetQueueAttributes.")
            return
        waiting = answer["Attributes"].get("ApproximateNumberOfMessages", "?")
        yield Finding(Level.OK, f"The queue answers; about {waiting} messages wait in it.")

    def receive(self) -> list[Received]:
        try:
            answer = self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=settings.SQS_WAIT_SECONDS,
            )
        except (BotoCoreError, ClientError) as error:
            raise SourceUnavailable(str(error)) from None
        return [
            Received(body=message["Body"], handle=message["ReceiptHandle"])
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
