"""A signed-in reviewer's browser: keeps its connection, posts the form with its CSRF token."""

import http.client
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

CSRF = "c" * 32


@dataclass(frozen=True, slots=True)
class Posted:
    """Nanoseconds of the monotonic clock: when the form was sent and when its answer was there."""

    sent_at: int
    answered_at: int

    @property
    def answer_ms(self) -> float:
        return (self.answered_at - self.sent_at) / 1e6


class Browser:
    def __init__(self, address: Path, session: str) -> None:
        """`address`: the web process' socket; `session`: of `sign_in`."""
        self._connection = _UnixConnection(address)
        self._headers = {
            "Host": "127.0.0.1",
            "Cookie": f"countersign_session={session}; countersign_csrf={CSRF}",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def approve(self, task_id: UUID) -> Posted:
        """What the button does. The answer is a redirect to the next task."""
        form = {"verdict": "approve", "comment": "", "csrfmiddlewaretoken": CSRF}
        body, target = urlencode(form), f"/tasks/{task_id}/decide/"
        sent_at = time.monotonic_ns()
        self._connection.request("POST", target, body, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        answered_at = time.monotonic_ns()
        location = answer.headers.get("Location", "")
        assert answer.status == 302, answer.status
        assert "/accounts/" not in location, location
        return Posted(sent_at, answered_at)


def answers(address: Path) -> bool:
    """Whether the web process is up."""
    connection = _UnixConnection(address)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, address: Path) -> None:
        super().__init__("127.0.0.1", timeout=30)
        self._address = str(address)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._address)
