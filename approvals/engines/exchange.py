"""CALLBACK OUT, one request: POST to an address that was admitted, without any detour.

The name is resolved once and the socket connects to the very number that was checked, so that a
second answer of DNS changes nothing. No proxy of the environment, no redirect, no second try, and
each step has its time. Nothing is raised, since the frames hold credentials: errors are returned.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from approvals.engines.addresses import Address, resolve
from approvals.errors import EngineError, EngineUnavailable, OutcomeUnknown

RESOLVE, CONNECT, HANDSHAKE, TALK = 4.0, 3.0, 5.0, 10.0  # seconds
TRIES = 3  # numbers of one name, before anything is sent
MAX_ANSWER = 65_536  # bytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes | None = field(repr=False)  # None: too long, or lost on the way


def trust() -> ssl.SSLContext:
    """The certificate authorities of the system; `SSL_CERT_FILE` names others."""
    return ssl.create_default_context()


def post(
    to: Address, headers: Mapping[str, str], body: bytes, *, trusting: ssl.SSLContext, within: float
) -> Answer | EngineError:
    """The answer's status and at most 64 KiB of it, after at most `within` seconds.

    `CallbackRefused` where the address must not be called, `EngineUnavailable` where nothing was
    sent, `OutcomeUnknown` where something was and no status came back.
    """
    until = time.monotonic() + within
    try:
        sock = connect(to, trusting, until)
    except EngineError as error:
        return error.with_traceback(None)
    with sock, _cut_off(sock, min(TALK, until - time.monotonic())):
        return _talk(sock, to, headers, body)


def connect(to: Address, trusting: ssl.SSLContext, until: float) -> socket.socket:
    """A socket to one of the host's numbers, with TLS where the address says so; nothing is sent.

    Raises `CallbackRefused` or `EngineUnavailable`.
    """
    numbers = resolve(to, min(RESOLVE, until - time.monotonic()))
    code = reason = "TimeoutError"
    for number in numbers[:TRIES]:
        if (left := until - time.monotonic()) <= 0:
            break
        family = socket.AF_INET6 if ":" in number else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(min(CONNECT, left))
            sock.connect((number, to.port))
            sock.settimeout(min(HANDSHAKE, max(until - time.monotonic(), 0.1)))
            if to.scheme == "https":
                sock = trusting.wrap_socket(sock, server_hostname=to.host)
            sock.settimeout(TALK)
        except OSError as error:
            sock.close()
            code = reason = type(error).__name__
            if isinstance(error, ssl.SSLCertVerificationError):
                reason = f"its certificate is not trusted: {error.verify_message}"
            continue
        return sock
    raise EngineUnavailable(f"“{to.host}” could not be reached ({reason}).", code=code)


@contextmanager
def _cut_off(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Ends the talk after `seconds`: a server that drips bytes never meets a socket's time-out."""

    def cut() -> None:
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # below TLS, which stays in place

    timer = threading.Timer(max(seconds, 0), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _talk(
    sock: socket.socket, to: Address, headers: Mapping[str, str], body: bytes
) -> Answer | EngineError:
    connection = http.client.HTTPConnection(to.host, to.port)
    connection.sock = sock
    try:
        with suppress(BrokenPipeError):  # refused in the middle: the answer says why
            connection.request(
                "POST",
                to.target,
                body,
                {**headers, "Host": to.authority, "Connection": "close"},
            )
        answer = connection.getresponse()
    except (OSError, ValueError, http.client.HTTPException) as error:
        name = type(error).__name__
        return OutcomeUnknown(f"The answer of “{to.host}” was lost ({name}).", code=name)
    # The status is the answer. What follows is read so that the other side can end in peace.
    try:
        text = answer.read(MAX_ANSWER + 1)
    except (OSError, ValueError, http.client.HTTPException):
        return Answer(answer.status, None)
    return Answer(answer.status, text if len(text) <= MAX_ANSWER else None)
