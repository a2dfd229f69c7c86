"""An AWS emulator with a queue."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from demo import aws


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator's address."""
    folder: Path = tmp_path_factory.mktemp("aws")
    server = aws.start(folder)
    yield server.endpoint_url
    server.stop()


@pytest.fixture
def sqs(moto: str) -> Any:
    return boto3.client("sqs", endpoint_url=moto, region_name="us-east-1")


@pytest.fixture
def queue_url(sqs: Any) -> str:
    name = f"queue-{uuid4().hex[:8]}"
    return sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
