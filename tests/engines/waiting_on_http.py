"""What tests of the callback URL engine share: a server by a name, over TLS, and an engine."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from approvals.engines.base import EngineConfig, Step
from approvals.engines.callback_url import CallbackURL
from approvals.tokens import TaskToken, encrypt
from tests.fakes.waiting_server import Authority, WaitingServer

HOST = "hooks.test"

Names = dict[str, list[list[str]]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What DNS says: name → answers, one after the other, the last one for ever."""
    known: Names = {HOST: [["127.0.0.1"]]}
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in known:
            # Only numbers: nothing in these tests asks a real name server.
            return real(host, port, *args, **{**kwargs, "flags": socket.AI_NUMERICHOST})
        answers = known[host]
        numbers = answers.pop(0) if len(answers) > 1 else answers[0]
        if not numbers:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (number, port, 0, 0))
            if ":" in number
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port))
            for number in numbers
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))


@pytest.fixture
def server(authority: Authority, trusted: None, names: Names) -> Iterator[WaitingServer]:
    server = WaitingServer(authority.issue(HOST))
    yield server
    server.stop()


@pytest.fixture
def serve(
    authority: Authority, trusted: None, names: Names
) -> Iterator[Callable[..., WaitingServer]]:
    """More servers, for names of your own; none: plain HTTP."""
    servers: list[WaitingServer] = []

    def start(*certified: str) -> WaitingServer:
        servers.append(WaitingServer(authority.issue(*certified) if certified else None))
        return servers[-1]

    yield start
    for one in servers:
        one.stop()


def engine_to(*hosts: str, secret: str = "", **config: Any) -> CallbackURL:
    ciphertext = encrypt(secret) if secret else b""
    return CallbackURL(EngineConfig(kind="callback_url", hosts=hosts, secret=ciphertext, **config))


@pytest.fixture
def engine(server: WaitingServer) -> CallbackURL:
    return engine_to(f"https://{HOST}:{server.port}")


@pytest.fixture
def token(server: WaitingServer) -> TaskToken:
    """Of a step that waits."""
    return token_at(server, server.create_step("?signature=c2VjcmV0LXNlY3JldA"))


def token_at(server: WaitingServer, target: str, host: str = HOST) -> TaskToken:
    return TaskToken(f"https://{host}:{server.port}{target}")


class HttpSteps:
    """The contract's other side."""

    def __init__(self, server: WaitingServer) -> None:
        self._server = server

    def create(self, heartbeat_seconds: float | None = None) -> tuple[TaskToken, Step]:
        token = token_at(self._server, self._server.create_step())
        return token, Step("", "Approve", token)

    def stop(self, step: Step) -> None:
        assert step.token
        del self._server.steps[_target(step.token)]

    def answer(self, token: TaskToken) -> tuple[str, ...]:
        heard = self._server.steps.get(_target(token))
        if heard is None:
            return ()
        if heard.headers["countersign-status"] == "succeeded":
            return (heard.body.decode(),)
        body = json.loads(heard.body)
        return body["error"], body["cause"]


def _target(token: TaskToken) -> str:
    return "/" + token.reveal().split("/", 3)[3]
