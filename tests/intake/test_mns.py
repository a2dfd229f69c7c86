"""The MNS source and the receiver, on a local stand-in that verifies the vendor's signatures."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from mns.account import Account
from mns.mns_exception import MNSServerException
from mns.queue import Message

from approvals.findings import Level
from approvals.intake import receiver
from approvals.intake.accept import accept
from approvals.intake.sources.base import Received, SourceUnavailable
from approvals.intake.sources.mns import MNSQueue
from approvals.models import ApprovalTask, Connection, QuarantinedMessage, Source
from approvals.tokens import encrypt
from demo.alibaba.server import Alibaba
from tests.contracts.source_contract import PolledSourceContract
from tests.factories import ConnectionFactory, GateFactory, SourceFactory, message


@pytest.fixture
def alibaba() -> Iterator[Alibaba]:
    with Alibaba() as account:
        account.queues.create("approvals")
        yield account


def connection_of(alibaba: Alibaba) -> Connection:
    return ConnectionFactory(
        kind="cloudflow",
        region="cn-hangzhou",
        endpoint_url="http://127.0.0.1:9",  # CloudFlow's: not where queues are
        key_id=alibaba.key.id,
        secret_ciphertext=encrypt(alibaba.key.secret),
    )


def source_of(alibaba: Alibaba, queue: str = "approvals") -> Source:
    return SourceFactory(
        kind="mns", connection=connection_of(alibaba), queue_url=alibaba.queue_url(queue)
    )


@pytest.mark.django_db
class TestMNS(PolledSourceContract):
    batch = 16

    @pytest.fixture(autouse=True)
    def _account(self, alibaba: Alibaba) -> None:
        self.alibaba = alibaba
        key = alibaba.key
        self.queue = Account(alibaba.url, key.id, key.secret).get_queue("approvals")

    def source(self) -> MNSQueue:
        return MNSQueue(source_of(self.alibaba))

    def send(self, *bodies: str) -> None:
        """As the vendor's client does by default: in Base64."""
        for body in bodies:
            self.queue.send_message(Message(body))

    def left(self) -> int:
        return self.alibaba.queues.left("approvals")

    @pytest.mark.parametrize(
        "body",
        ['{"taskToken": "t", "title": "Ünïcode <&> 太贵了"}', "[1, 2]", "12345678", "plain text"],
    )
    @pytest.mark.parametrize("encoded", [True, False])
    def test_bodies_are_understood_in_base64_and_as_they_are(self, body: str, encoded: bool):
        as_sent = base64.encodebytes(body.encode()).decode() if encoded else body
        self.alibaba.queues.send("approvals", as_sent)
        assert [item.body for item in self.source().receive()] == [body]

    def test_what_is_base64_of_no_text_is_left_as_it_is(self):
        self.alibaba.queues.send("approvals", "/////w==")
        assert [item.body for item in self.source().receive()] == ["/////w=="]

    def test_a_batch_of_sixteen_comes_and_goes_in_one_call_each(self):
        self.send(*(f"message {number}" for number in range(20)))
        source = self.source()
        items = source.receive()
        assert len(items) == 16
        source.forget(items)
        assert self.left() == 4

    def test_a_message_that_comes_while_it_waits_is_received_at_once(self):
        source, began = self.source(), time.monotonic()
        threading.Timer(0.2, self.alibaba.queues.send, ("approvals", "late")).start()
        assert [item.body for item in source.receive()] == ["late"]
        assert time.monotonic() - began < 0.9

    def test_what_was_not_forgotten_in_time_comes_again(self):
        self.alibaba.queues.create("approvals", visibility=0.2)
        self.send("one")
        source = self.source()
        assert len(source.receive()) == 1
        assert len(source.receive()) == 1

    def test_what_could_not_be_forgotten_is_counted_and_the_rest_is_gone(self):
        self.send("one", "two", "three")
        source = self.source()
        items = source.receive()
        late = Received(items[0].body, "7-" + items[0].handle.partition("-")[2])
        with pytest.raises(SourceUnavailable, match="1 not deleted: ReceiptHandleError"):
            source.forget([late, *items[1:]])
        assert self.left() == 1

    def test_a_forged_signature_is_refused_by_the_stand_in_and_told(self):
        wrong = source_of(self.alibaba)
        wrong.connection.secret_ciphertext = encrypt("not the secret")
        for call in (MNSQueue(wrong).receive, lambda: MNSQueue(wrong).forget([Received("", "1")])):
            with pytest.raises(SourceUnavailable, match="SignatureDoesNotMatch"):
                call()
        stranger = Account(self.alibaba.url, "stranger", "secret").get_queue("approvals")
        with pytest.raises(MNSServerException, match="InvalidAccessKeyId"):
            stranger.receive_message()

    def test_a_queue_that_is_not_there_says_so(self):
        with pytest.raises(SourceUnavailable, match="QueueNotExist"):
            MNSQueue(source_of(self.alibaba, "elsewhere")).receive()

    @pytest.mark.parametrize("fault", ["reset", "wrong_server", "error_500", "throttle_429"])
    def test_whatever_it_meets_it_says_so_and_goes_on_afterwards(self, fault: str):
        self.send("one")
        source = self.source()
        self.alibaba.queues.faults.switch_on(fault, times=2)  # the SDK tries a reset again
        with pytest.raises(SourceUnavailable) as raised:
            source.receive()
        assert raised.value.__context__ is None or fault not in ("reset", "wrong_server")
        self.alibaba.queues.faults.clear()
        assert [item.body for item in source.receive()] == ["one"]

    def test_an_answer_that_can_t_be_read_does_not_put_messages_into_the_error(self):
        self.alibaba.queues.send("approvals", "")  # the SDK does not expect a blank body
        self.send(message(taskToken="secret-secret-secret"))
        with pytest.raises(SourceUnavailable, match="unreadable answer") as raised:
            self.source().receive()
        assert "secret" not in str(raised.value)

    def test_nobody_listening_is_told(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            source = source_of(self.alibaba)
            source.queue_url = f"http://127.0.0.1:{closed.getsockname()[1]}/queues/approvals"
            with pytest.raises(SourceUnavailable, match="could not be read"):
                MNSQueue(source).receive()

    @pytest.mark.parametrize("url", ["https://sqs.example/1/q", "ftp://x/queues/q", "nonsense"])
    def test_an_address_that_is_no_queue_says_what_one_looks_like(self, url: str):
        source = source_of(self.alibaba)
        source.queue_url = url
        with pytest.raises(SourceUnavailable, match="/queues/NAME"):
            MNSQueue(source)

    def test_an_endpoint_of_the_source_takes_the_place_of_the_host(self):
        self.send("one")
        source = source_of(self.alibaba)
        source.queue_url = "https://123.mns.cn-hangzhou.aliyuncs.com/queues/approvals"
        source.endpoint_url = self.alibaba.url
        assert [item.body for item in MNSQueue(source).receive()] == ["one"]

    def test_a_key_that_can_t_be_opened_says_so(self):
        source = source_of(self.alibaba)
        source.connection.secret_ciphertext = b"garbage"
        with pytest.raises(SourceUnavailable, match="TOKEN_KEYS"):
            MNSQueue(source)

    def test_the_doctor_looks_without_taking_anything(self):
        self.send("one")
        [finding] = self.source().examine()
        assert (finding.level, "30 s" in finding.what) == (Level.OK, True)
        assert len(self.source().receive()) == 1
        [finding] = MNSQueue(source_of(self.alibaba, "elsewhere")).examine()
        assert finding.level == Level.BAD
        assert "QueueNotExist" in finding.what


def test_the_receiver_stores_and_then_forgets(transactional_db: None, alibaba: Alibaba):
    GateFactory(slug="refunds")
    source = source_of(alibaba)
    for number in range(18):
        body = message(gate="refunds")
        encoded = base64.b64encode(body.encode()).decode()
        alibaba.queues.send("approvals", encoded if number % 2 else body)
    alibaba.queues.send("approvals", "bad")
    stopping = threading.Event()
    thread = threading.Thread(target=receiver.run, args=(stopping,))
    thread.start()
    try:
        wait_until(lambda: alibaba.queues.left("approvals") == 0)
        wait_until(lambda: Source.objects.get(pk=source.pk).last_message_at)
    finally:
        stopping.set()
        thread.join(timeout=20)
    assert ApprovalTask.objects.count() == 18
    assert QuarantinedMessage.objects.count() == 1
    assert Source.objects.get(pk=source.pk).last_error == ""


@pytest.mark.django_db
def test_a_flow_s_context_says_which_execution_waits(alibaba: Alibaba):
    gate = GateFactory(slug="refunds")
    context = {
        "Execution": {"Name": "run-1", "Input": {"order": 1}, "RoleArn": "acs:ram::1:role/flows"},
        "Current": {"Name": "Approve", "RetryCount": 1, "TaskToken": "djEjYSM+/=="},
    }
    bodies = [
        {"gate": gate.slug, "context": context | {"Flow": {"Name": "refunds"}}},
        {**context, "Flow": {"Name": "refunds"}, "gate": gate.slug},
    ]
    for number, body in enumerate(bodies):
        text = json.dumps(body).replace("djEjYSM", f"djEjYSM{number}")
        [accepted] = accept(source_of(alibaba), [text])
        task: Any = ApprovalTask.objects.get(pk=accepted.task_id)
        assert task.execution_id == "flow/refunds/execution/run-1"
        assert (task.workflow, task.execution_name, task.state) == ("refunds", "run-1", "Approve")
        assert (task.retry_count, task.payload) == (1, {"order": 1})
        assert task.token.reveal() == f"djEjYSM{number}+/=="


def wait_until(truth: Any, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.05)
