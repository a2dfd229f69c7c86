"""The workflow that waits on HTTP: an address nobody can guess, called once."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from demo.execution import NotReached
from demo.http_flows import HTTPFlows
from demo.http_resources import HTTPResources
from tests.fakes.waiting_server import WaitingServer


@pytest.fixture
def flows() -> Iterator[HTTPFlows]:
    with HTTPFlows() as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def webhook() -> Iterator[WaitingServer]:
    server = WaitingServer()
    yield server
    server.stop()


def post(url: str, kind: str = "application/json", **headers: str) -> int:
    request = urllib.request.Request(url, b"{}", {"Content-Type": kind, **headers}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def begin(flows: HTTPFlows, webhook: WaitingServer) -> tuple[str, dict[str, Any]]:
    """The address that waits, and the message that told of it."""
    HTTPResources(flows.url).start(
        "dns-change",
        "dns-1",
        step="Approve change",
        webhook=f"http://127.0.0.1:{webhook.port}{webhook.create_step()}",
        key="csk_tests",
        message={"title": "Change?"},
    )
    [heard] = webhook.heard
    assert heard.headers["authorization"] == "Bearer csk_tests"
    message = json.loads(heard.body)
    return message["callbackUrl"], message


def test_it_ends_as_it_is_told_and_only_once(flows: HTTPFlows, webhook: WaitingServer) -> None:
    address, message = begin(flows, webhook)
    [waits] = HTTPResources(flows.url).executions()
    assert (waits.status, waits.id) == ("RUNNING", message["context"]["Execution"]["Id"])
    assert post(f"{flows.url}/callbacks/guessed") == 404
    assert post(address, "text/plain") == 415
    assert post(address, **{"Countersign-Status": "succeeded"}) == 200
    assert post(address, **{"Countersign-Status": "failed"}) == 409
    [ended] = HTTPResources(flows.url).executions()
    assert (ended.status, ended.result) == ("SUCCEEDED", "{}")
    assert address.rpartition("/")[2] not in repr(ended)


def test_one_that_can_not_ask_has_failed(flows: HTTPFlows, webhook: WaitingServer) -> None:
    webhook.stop()
    with pytest.raises(NotReached, match="can't be reached"):
        begin(flows, webhook)
    [failed] = HTTPResources(flows.url).executions()
    assert failed.status == "FAILED"
