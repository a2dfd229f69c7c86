"""MESSAGE IN from Amazon SQS. The only source that knows boto3."""

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from approvals.intake.sources.base import Received, SourceUnavailable
from approvals.models import Source

BATCH = 10  # what one call of SQS gives and takes


class SQSQueue:
    def __init__(self, source: Source) -> None:
        self._queue_url = source.queue_url
        self._client = boto3.session.Session().client(
            "sqs",
            region_name=source.region or source.connection.region or None,
            endpoint_url=source.endpoint_url or source.connection.endpoint_url or None,
            config=Config(
                connect_timeout=5,
                read_timeout=settings.SQS_WAIT_SECONDS + 10,
                retries={"total_max_attempts": 1},  # the receiver's own loop tries again
            ),
        )

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
