"""The stand-in for Alibaba Cloud refuses what the vendor would refuse, and runs as a process."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from alibabacloud_fnf20190315 import models as api
from alibabacloud_fnf20190315.client import Client
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config
from mns.account import Account
from mns.mns_client import MNSClient
from mns.mns_http import RequestInternal
from mns.mns_request import ReceiveMessageRequest

from demo.alibaba.flows import State, flow_of
from demo.alibaba.server import Alibaba

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "cloudflow" / "mns-new.yaml"


@pytest.fixture
def alibaba() -> Iterator[Alibaba]:
    with Alibaba() as account:
        account.queues.create("approvals")
        account.cloudflow.add_flow(flow_of(State("Approve")))
        yield account


def signed(alibaba: Alibaba, **changes: str) -> dict[str, str]:
    """A call's parameters, signed by the vendor's own function."""
    given = {
        "Action": "DescribeExecution",
        "FlowName": "refunds",
        "ExecutionName": "run-1",
        "Version": "2019-03-15",
        "Format": "json",
        "Timestamp": Utils.get_timestamp(),
        "SignatureNonce": Utils.get_nonce(),
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "AccessKeyId": alibaba.key.id,
        **changes,
    }
    return {**given, "Signature": Utils.get_rpcsignature(given, "GET", alibaba.key.secret)}


def ask(alibaba: Alibaba, given: dict[str, str]) -> str:
    """The code of the error that comes back; blank if none does."""
    connection = http.client.HTTPConnection("127.0.0.1", alibaba.port, timeout=10)
    connection.request("GET", f"/?{urlencode(given)}")
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer.get("Code", "")


def test_a_call_that_is_signed_is_taken_once(alibaba: Alibaba) -> None:
    alibaba.cloudflow.start("refunds", "run-1")
    call = signed(alibaba)
    assert ask(alibaba, call) == ""
    assert ask(alibaba, call) == "SignatureNonceUsed"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"ExecutionName": "run-2"}, "SignatureDoesNotMatch"),
        ({"Signature": "AAAA"}, "SignatureDoesNotMatch"),
        ({"Signature": ""}, "SignatureDoesNotMatch"),
        ({"AccessKeyId": "stranger"}, "InvalidAccessKeyID"),
        ({"SignatureMethod": "none"}, "InvalidSignatureMethod"),
    ],
)
def test_a_call_that_was_altered_is_refused(
    alibaba: Alibaba, changed: dict[str, str], code: str
) -> None:
    alibaba.cloudflow.start("refunds", "run-1")
    assert ask(alibaba, signed(alibaba) | changed) == code


def test_a_call_that_is_too_old_is_refused(alibaba: Alibaba) -> None:
    then = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert ask(alibaba, signed(alibaba, Timestamp=then)) == "InvalidTimeStamp.Expired"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 404),  # signed: the queue is empty
        ({"Authorization": "MNS stranger:AAAA"}, 403),
        ({"Authorization": "Bearer AAAA"}, 400),
        ({"date": "Sun, 22 Nov 2020 10:00:00 GMT"}, 403),
        ({"x-mns-version": "2000-01-01"}, 403),
    ],
)
def test_a_queue_reads_the_signature_of_mns(
    alibaba: Alibaba, changed: dict[str, str], status: int
) -> None:
    client = MNSClient(alibaba.url, alibaba.key.id, alibaba.key.secret)
    request = RequestInternal("GET", "/queues/approvals/messages?numOfMessages=1")
    client.build_header(ReceiveMessageRequest("approvals"), request)
    request.header |= changed
    assert client.http.send_request(request).status == status


def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    flow = tmp_path / "flow.yaml"
    flow.write_text(EXAMPLE.read_text().replace("QUEUE", "approvals"))
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "demo.alibaba", "--queue", "approvals"),
            str(flow),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        told: dict[str, Any] = json.loads(process.stdout.readline())
        client = Client(
            Config(
                access_key_id=told["key_id"],
                access_key_secret=told["secret"],
                endpoint=told["url"].removeprefix("http://"),
                protocol="HTTP",
            )
        )
        begun = client.start_execution(
            api.StartExecutionRequest(
                flow_name="FLOW", input='{"title": "Hello", "requestedBy": "dora"}'
            )
        )
        assert begun.body.status == "Running"
        queue = Account(told["url"], told["key_id"], told["secret"]).get_queue("approvals")
        queue.set_encoding(False)
        sent = json.loads(queue.receive_message(5).message_body)
        assert sent["title"] == "Hello"
        assert sent["context"]["Execution"]["Name"] == begun.body.name
    finally:
        process.terminate()
        process.wait(timeout=20)
