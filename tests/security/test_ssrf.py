"""Whoever can send messages chooses an address: none leads where the operator did not allow it.

Every connection that this process tries is seen by an audit hook, the ones to the outside are
stopped there, and canary listen on the loopback.
"""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from approvals.engines.base import EngineConfig
from approvals.engines.callback_url import CallbackURL
from approvals.errors import CallbackRefused, EngineError, EngineUnavailable
from approvals.tokens import TaskToken, encrypt
from tests.contracts.engine_contract import OUTPUT, assert_does_not_tell
from tests.engines.test_addresses import NASTY, NOT_PUBLIC
from tests.engines.waiting_on_http import (  # noqa: F401 - fixtures
    HOST,
    Names,
    authority,
    engine_to,
    names,
    serve,
    server,
    token_at,
    trusted,
)
from tests.fakes.waiting_server import Reply, WaitingServer

PUBLIC = "93.184.216.34"  # never really called
SECRET = "s3cret-" + "x7" * 20

_seen: list[tuple[Any, ...]] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is None or event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    _seen.append(arguments[1][:2])
    if not str(arguments[1][0]).startswith("127."):
        raise ConnectionRefusedError("No test leaves this machine.")


sys.addaudithook(_watch)  # for good: hooks can't be taken away


@pytest.fixture
def connections() -> Iterator[list[tuple[Any, ...]]]:
    """Where this process has tried to connect to."""
    global _seen
    _seen = []
    yield _seen
    _seen = None


@pytest.fixture
def canary(serve) -> WaitingServer:
    """What everything below would lead to if it led anywhere."""
    return serve()


def send(engine: CallbackURL, url: str) -> EngineError:
    with pytest.raises(EngineError) as raised:
        engine.succeed(TaskToken(url), OUTPUT)
    assert raised.value.__context__ is None
    return raised.value


def test_the_hook_sees_what_is_allowed(server, connections) -> None:
    target = server.create_step()
    engine_to(f"https://{HOST}:{server.port}").succeed(token_at(server, target), OUTPUT)
    assert connections == [("127.0.0.1", server.port)]


@pytest.mark.parametrize("url", NASTY)
def test_a_trick_address_connects_to_nothing(url: str, connections, names: Names) -> None:
    names.update({"good.example": [["127.0.0.1"]], "evil.example": [["127.0.0.1"]]})
    engine = engine_to("good.example", "*.example", "http://127.0.0.1:5678")
    refused = send(engine, url)
    assert isinstance(refused, CallbackRefused)
    assert refused.code == "AddressRefused"
    assert connections == []


@pytest.mark.parametrize("number", NOT_PUBLIC)
def test_a_name_that_leads_inside_connects_to_nothing(
    number: str, connections, canary, names: Names
) -> None:
    names["inside.test"] = [[number]]
    engine = engine_to(f"inside.test:{canary.port}")
    refused = send(engine, f"https://inside.test:{canary.port}/hook")
    assert isinstance(refused, CallbackRefused)
    assert refused.code == "AddressRefused"
    assert connections == []
    assert canary.connections == 0


@pytest.mark.parametrize(
    "numbers",
    [[PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], [PUBLIC, "169.254.169.254"], [PUBLIC, "::1"]],
)
def test_one_inner_number_among_public_ones_is_enough_to_refuse(
    numbers: list[str], connections, names: Names
) -> None:
    names["mixed.test"] = [numbers]
    assert isinstance(send(engine_to("mixed.test"), "https://mixed.test/"), CallbackRefused)
    assert connections == []


def test_a_name_server_that_changes_its_mind_changes_nothing(
    connections, canary, names: Names
) -> None:
    port = canary.port
    names["rebinds.test"] = [[PUBLIC], ["127.0.0.1"]]
    engine = engine_to(f"rebinds.test:{port}")
    url = f"https://rebinds.test:{port}/"
    assert isinstance(send(engine, url), EngineUnavailable)
    assert connections == [(PUBLIC, port)], "the very number that was checked, once"
    assert isinstance(send(engine, url), CallbackRefused)
    assert canary.connections == 0


@pytest.mark.parametrize(
    "number", ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "0.0.0.0"]
)
def test_even_a_host_in_the_house_does_not_lead_to_the_cloud_it_runs_on(
    number: str, connections, names: Names
) -> None:
    names["n8n.internal"] = [[number]]
    for scheme in ("http", "https"):
        url = f"{scheme}://n8n.internal/latest/meta-data"
        assert isinstance(send(engine_to(f"{scheme}://n8n.internal"), url), CallbackRefused)
        literal = f"[{number}]" if ":" in number else number
        url = f"{scheme}://{literal}/latest/meta-data"
        assert isinstance(send(engine_to(f"{scheme}://{literal}"), url), CallbackRefused)
    assert connections == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere(status: int, server, canary, connections) -> None:
    inside = f"http://127.0.0.1:{canary.port}/"
    server.reply = lambda heard: Reply(status, b"", {"Location": inside})
    hosts = f"https://{HOST}:{server.port}", inside
    token = token_at(server, server.create_step())
    refused = send(engine_to(*hosts, auth="bearer", secret=SECRET), token.reveal())
    assert isinstance(refused, CallbackRefused)
    assert_does_not_tell(refused, token)
    assert connections == [("127.0.0.1", server.port)]
    assert canary.connections == 0


@pytest.mark.parametrize(
    "auth",
    [
        {"auth": "bearer"},
        {"auth": "header", "header_name": "X-Key"},
        {"auth": "oauth", "key_id": "me", "token_url": "https://id.example/token"},
        {"auth": "google"},
    ],
)
def test_a_credential_goes_to_no_host_that_nobody_named(
    auth: dict[str, str], connections, canary, names: Names
) -> None:
    names.update({"evil.example": [["127.0.0.1"]], "id.example": [[PUBLIC]]})
    engine = engine_to("good.example", secret=SECRET, **auth)
    port = canary.port
    for url in (
        f"https://evil.example:{port}/",
        f"http://127.0.0.1:{port}/",
        "https://evil.example/",
    ):
        assert isinstance(send(engine, url), CallbackRefused)
    assert connections == [], "not even an access token was asked for"


@pytest.mark.parametrize(
    "url",
    [
        "https://good.example/hook",
        "https://googleapis.com.good.example/v1/projects/p/locations/l/workflows/w/executions/e"
        "/callbacks/c",
        "https://workflowexecutions.googleapis.com/v1/projects/p/locations/l/workflows/w/executions",
        "https://workflowexecutions.googleapis.com/v1/projects/p/locations/l/workflows/w/executions"
        "/e:cancel",
        "https://workflowexecutions.googleapis.com/v1/projects/p/locations/l/workflows/w/executions"
        "/e/callbacks/c/../../..",
        "https://workflowexecutions.googleapis.com/v1/projects/p/locations/l/workflows/w/executions"
        "/e/callbacks/c?access_token=x",
        "https://storage.googleapis.com/upload",
    ],
)
def test_a_google_credential_goes_to_callbacks_of_google_workflows_alone(
    url: str, connections, names: Names
) -> None:
    for name in ("good.example", "googleapis.com.good.example", "storage.googleapis.com"):
        names[name] = [[PUBLIC]]
    names["workflowexecutions.googleapis.com"] = [[PUBLIC]]
    engine = engine_to("good.example", "*.good.example", "*.googleapis.com", auth="google")
    refused = send(engine, url)
    assert isinstance(refused, CallbackRefused)
    assert connections == []
    config = EngineConfig(kind="callback_url", auth="google", hosts=("*.googleapis.com",))
    good = (
        "https://workflowexecutions.googleapis.com/v1/projects/p/locations/europe-west1/workflows/w"
        "/executions/0d1f-2/callbacks/3_a"
    )
    assert CallbackURL.problem_with(config, TaskToken(good)) == ""


def test_a_token_address_that_leads_inside_is_not_called(
    connections, canary, names: Names, server
) -> None:
    port = canary.port
    names["id.example"] = [["127.0.0.1"]]
    for url in (f"https://id.example:{port}/", f"https://127.0.0.1:{port}/", "http://id.example/"):
        engine = engine_to(
            f"https://{HOST}:{server.port}",
            auth="oauth",
            key_id="me",
            token_url=url,
            secret=SECRET,
        )
        held = send(engine, token_at(server, server.create_step()).reveal())
        assert isinstance(held, EngineUnavailable), "the answer waits until somebody mends it"
    assert connections == []


def test_the_secret_of_a_connection_does_not_print() -> None:
    config = EngineConfig(kind="callback_url", hosts=("a.example",), secret=encrypt(SECRET))
    assert "secret" not in repr(config)
    assert SECRET not in repr(vars(CallbackURL(config)))
