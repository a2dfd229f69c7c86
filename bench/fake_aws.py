"""The far end of every figure: the tests' fake Step Functions as a process, taking every token."""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.processes import process
from bench.setting import Setting

HEARTBEAT, SUCCESS = "SendTaskHeartbeat", "SendTaskSuccess"


@dataclass(frozen=True)
class FakeAws:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, action: str) -> int:
        """How many calls of `action` have come in."""
        return int(self._ask("/stats").get(action, 0))

    def received(self, token: str) -> list[int]:
        """When calls with this token came in: `time.monotonic_ns()`, one clock for all processes.

        `token` must need no quoting.
        """
        return list(self._ask(f"/received?token={token}"))

    def _ask(self, target: str) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", target)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def fake_aws(place: Setting, latency_ms: float = 0.0) -> Iterator[FakeAws]:
    command = ("-m", "tests.fakes.step_functions", "--any-token", "--latency-ms", str(latency_ms))
    with process(place, f"fake-{latency_ms:g}ms", *command) as service:
        service.wait_until(lambda: re.fullmatch(r"\d+\n", service.log_file.read_text()) is not None)
        yield FakeAws(int(service.log_file.read_text()))
