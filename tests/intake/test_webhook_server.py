"""The webhook behind the real web server: what only bytes on a socket show."""

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from approvals.intake import keys
from approvals.models import ApprovalTask, QuarantinedMessage, Source
from tests.factories import GateFactory, message
from tests.intake.test_webhook import webhook
from tests.processes.conftest import start  # noqa: F401 - a fixture

Start = Callable[..., "subprocess.Popen[bytes]"]


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def serve(start: Start, **changes: str) -> int:
    """The port on which gunicorn answers."""
    port = free_port()
    start(
        *("-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"),
        BIND=f"127.0.0.1:{port}",
        WEB_CONCURRENCY="1",
        WEB_THREADS="4",
        **changes,
    )
    until = time.monotonic() + 40
    while time.monotonic() < until:
        try:
            request(port, "GET", "/health/live")
        except OSError:
            time.sleep(0.1)
        else:
            return port
    raise AssertionError("gunicorn did not start")


def request(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with closing(client):
        client.request(method, path, body, headers or {})
        answer = client.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def raw(port: int, head: str, body: bytes = b"") -> bytes:
    """What the server says until it has said all, to bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        one.sendall(head.replace("\n", "\r\n").encode() + body)
        one.shutdown(socket.SHUT_WR)
        said = b""
        while piece := one.recv(65_536):
            said += piece
        return said


@pytest.fixture
def source(transactional_db: None) -> Source:
    return webhook(Source.Auth.BEARER, gate=GateFactory(slug="refunds"))


@pytest.fixture
def headers(source: Source) -> dict[str, str]:
    secret = keys.live_secrets(source)[0].secret
    return {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}


@pytest.fixture
def port(start: Start) -> int:
    return serve(start)


def test_bodies_of_every_kind_on_a_socket(port, source, headers):
    """One server for all of it, since it takes a second to start."""
    path = f"/in/{source.address}/"
    head = f"POST {path} HTTP/1.1\nHost: 127.0.0.1\n" + "".join(
        f"{name}: {value}\n" for name, value in headers.items()
    )

    status, _, said = request(port, "POST", path, message(), headers)
    assert (status, json.loads(said)["status"]) == (202, "pending")

    def pieces(text: str) -> Iterator[bytes]:
        for at in range(0, len(text), 7):
            yield text[at : at + 7].encode()

    # In chunks, without a length.
    status, _, said = request(port, "POST", path, pieces(message()), headers)
    assert status == 202, said
    assert ApprovalTask.objects.count() == 2

    # In chunks without an end: refused once there is more than may be.
    status, _, said = request(port, "POST", path, (b"x" * 4_096 for _ in range(80)), headers)
    assert (status, json.loads(said)["error"]) == (413, "too_large")

    # A length that is too large: the answer comes without any of the body.
    started = time.monotonic()
    said = raw(port, head + "Content-Length: 9000000000\n\n")
    assert said.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - started < 10

    # Cut off, in both ways of sending; nothing of it is kept.
    body = message().encode()
    for broken in (
        raw(port, head + f"Content-Length: {len(body) + 10}\n\n", body),
        raw(port, head + "Transfer-Encoding: chunked\n\n", b"40\r\n{"),
        raw(port, head + "Transfer-Encoding: chunked\n\n", b"no chunk\r\n"),
    ):
        assert broken.startswith(b"HTTP/1.1 400"), broken
    # Two lengths, or one that is none: the server itself says no.
    for lengths in (
        f"Content-Length: {len(body)}\nTransfer-Encoding: chunked\n\n",
        "Content-Length: -1\n\n",
        "Content-Length: 1\nContent-Length: 2\n\n",
    ):
        assert raw(port, head + lengths, body).startswith(b"HTTP/1.1 400")
    # No body at all is an empty message, held like any other that says nothing.
    assert raw(port, head + "Connection: close\n\n").startswith(b"HTTP/1.1 422")

    assert ApprovalTask.objects.count() == 2
    assert QuarantinedMessage.objects.get().code == "empty"
    assert request(port, "POST", path, message(), headers)[0] == 202, "and it still serves"


def test_a_sender_on_one_connection_gets_every_answer(port, source, headers):
    """Also behind a refusal whose body nobody read."""
    path, nowhere = f"/in/{source.address}/", "/in/00000000-0000-0000-0000-000000000000/"
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with closing(client):
        got = []
        for method, to, body in (
            ("POST", path, message()),
            ("POST", nowhere, "x" * 9_000),
            ("PUT", path, message()),
            ("POST", path, "{"),
            ("POST", path, message()),
        ):
            client.request(method, to, body, headers)
            answer = client.getresponse()
            answer.read()
            got.append(answer.status)
    assert got == [202, 404, 405, 422, 202]


def test_a_server_that_can_not_tell_where_a_body_ends_asks_for_its_length(
    live_server, source, headers
):
    """Django's own, which knows no chunks."""
    port = int(live_server.url.rpartition(":")[2])
    body = iter([message().encode()])
    status, _, said = request(port, "POST", f"/in/{source.address}/", body, headers)
    assert (status, json.loads(said)["error"]) == (411, "no_length")
    assert not ApprovalTask.objects.exists()


def test_while_postgresql_is_away_senders_are_told_to_come_again(start, source, headers):
    port = serve(start, DATABASE_URL=f"postgres://nobody@127.0.0.1:{free_port()}/none")
    form = headers | {"Content-Type": "application/x-www-form-urlencoded"}
    grant = "grant_type=client_credentials&client_id=key-0&client_secret=x"
    for answer in (
        request(port, "POST", f"/in/{source.address}/", message(), headers),
        request(port, "POST", "/oauth/token", grant, form),
        request(port, "POST", "/api/v1/gates/x/claim", None, {"Authorization": "Bearer csr_x"}),
    ):
        status, answer_headers, said = answer
        assert (status, json.loads(said)["error"]) == (503, "unavailable")
        assert int(answer_headers["Retry-After"]) > 0
