"""The SQS source and the receiver, on an emulated queue."""

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from django.db import connection

from approvals.intake import receiver
from approvals.intake.sources.base import PolledSource, SourceUnavailable
from approvals.intake.sources.sqs import SQSQueue
from approvals.models import ApprovalTask, QuarantinedMessage, Source
from tests.contracts.source_contract import PolledSourceContract
from tests.factories import GateFactory, SourceFactory, message


def messages_in(sqs: Any, queue_url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
    return sum(int(number) for number in answer["Attributes"].values())


@pytest.mark.django_db
class TestSQS(PolledSourceContract):
    @pytest.fixture(autouse=True)
    def _queue(self, sqs: Any, queue_url: str, moto: str) -> None:
        self.sqs, self.queue_url, self.moto = sqs, queue_url, moto

    def source(self) -> PolledSource:
        return SQSQueue(SourceFactory(queue_url=self.queue_url, endpoint_url=self.moto))

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def left(self) -> int:
        return messages_in(self.sqs, self.queue_url)

    def test_the_queue_says_when_a_message_was_sent(self):
        self.send("one")
        [item] = self.source().receive()
        assert item.sent_at
        assert abs(dt.datetime.now(dt.UTC) - item.sent_at) < dt.timedelta(minutes=1)

    def test_a_queue_that_is_not_there_says_so(self):
        queue = SQSQueue(SourceFactory(queue_url=self.queue_url + "x", endpoint_url=self.moto))
        with pytest.raises(SourceUnavailable, match="NonExistentQueue"):
            queue.receive()


def wait_until(truth: Any, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def queue(transactional_db: None, sqs: Any, queue_url: str, moto: str) -> Source:
    GateFactory(slug="refunds")
    return SourceFactory(queue_url=queue_url, endpoint_url=moto)


def test_the_receiver_stores_and_then_forgets(queue, sqs):
    for _ in range(13):
        sqs.send_message(QueueUrl=queue.queue_url, MessageBody=message(gate="refunds"))
    sqs.send_message(QueueUrl=queue.queue_url, MessageBody="bad")
    stopping = threading.Event()
    thread = threading.Thread(target=receiver.run, args=(stopping,))
    thread.start()
    try:
        wait_until(lambda: messages_in(sqs, queue.queue_url) == 0)
    finally:
        stopping.set()
        thread.join(timeout=20)
    assert ApprovalTask.objects.count() == 13
    assert QuarantinedMessage.objects.count() == 1
    queue.refresh_from_db()
    assert queue.last_message_at is not None
    assert queue.last_error == ""


def test_the_receiver_outlives_a_queue_that_is_gone_and_reports_it(queue, sqs):
    sqs.delete_queue(QueueUrl=queue.queue_url)
    stopping = threading.Event()
    thread = threading.Thread(target=receiver.run, args=(stopping,))
    thread.start()
    try:
        wait_until(lambda: Source.objects.get(pk=queue.pk).last_error != "")
        sqs.create_queue(QueueName=queue.queue_url.rsplit("/", 1)[1])
        sqs.send_message(QueueUrl=queue.queue_url, MessageBody=message(gate="refunds"))
        wait_until(lambda: ApprovalTask.objects.exists())
    finally:
        stopping.set()
        thread.join(timeout=20)


def _receiver_process(*preparation: str) -> subprocess.Popen[bytes]:
    """`manage.py receive` on the test database, after lines of Python that prepare a fault."""
    name = connection.settings_dict["NAME"]
    code = "\n".join(
        [
            "import os, django, sys",
            "django.setup()",
            "from django.conf import settings",
            *preparation,
            "from django.core.management import call_command",
            "call_command('receive')",
        ]
    )
    address = os.environ["DATABASE_URL"].replace("/countersign?", f"/{name}?")
    return subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"DATABASE_URL": address}
    )


DIES_BEFORE_FORGETTING = (
    "import signal",
    "from approvals.intake.sources.sqs import SQSQueue",
    "SQSQueue.forget = lambda self, items: os.kill(os.getpid(), signal.SIGKILL)",
)
DIES_BEFORE_COMMITTING = (
    "import signal",
    "from approvals.intake import receiver",
    "receiver.accept = lambda *batch: os.kill(os.getpid(), signal.SIGKILL)",
)


@pytest.mark.parametrize(
    ("fault", "stored"), [(DIES_BEFORE_COMMITTING, 0), (DIES_BEFORE_FORGETTING, 1)]
)
def test_a_receiver_killed_with_a_batch_in_hand_loses_and_doubles_nothing(
    queue, sqs, fault, stored
):
    sqs.send_message(QueueUrl=queue.queue_url, MessageBody=message(gate="refunds"))
    killed = _receiver_process(*fault)
    assert killed.wait(timeout=30) == -signal.SIGKILL
    assert ApprovalTask.objects.count() == stored
    assert messages_in(sqs, queue.queue_url) == 1

    successor = _receiver_process()
    try:
        wait_until(lambda: messages_in(sqs, queue.queue_url) == 0, seconds=30)
    finally:
        successor.send_signal(signal.SIGTERM)
        assert successor.wait(timeout=30) == 0, "SIGTERM ends it in good order"
    assert ApprovalTask.objects.count() == 1
