"""DEMO: a workflow service that waits on HTTP, as Google Workflows or n8n do, on 127.0.0.1.

`POST /executions` starts one. It makes an address that nobody can guess, hands it over in a
message to the webhook that it was given, and ends when that address is called. `GET /executions`
lists all, without these addresses. Everything stays in memory. Standard library only.
"""

import argparse
import json
import secrets
import threading
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STATES = {"succeeded": "SUCCEEDED", "failed": "FAILED"}
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(slots=True)
class Run:
    name: str
    workflow: str
    step: str
    status: str = "RUNNING"
    result: str = ""
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    stopped_at: str = ""

    def end(self, status: str, result: str) -> None:
        self.status, self.result = status, result
        self.stopped_at = datetime.now(UTC).isoformat()


class HTTPFlows(ThreadingHTTPServer):
    """Every execution, and the address at which each waits. Usable as a context manager."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.runs: list[Run] = []
        self._waiting: dict[str, Run] = {}
        self._lock = threading.Lock()

    def start(self, given: dict[str, Any]) -> Run:
        """Ask, and wait for the answer; an execution that can't ask has failed."""
        run = Run(f"{given['name']}-{secrets.token_hex(3)}", given["workflow"], given["step"])
        path = f"/callbacks/{secrets.token_urlsafe(24)}"
        with self._lock:
            self.runs.append(run)
            self._waiting[path] = run
        context = {
            "Execution": {"Id": run.name, "Name": run.name},
            "State": {"Name": run.step, "EnteredTime": run.started_at},
            "StateMachine": {"Name": run.workflow},
        }
        message = {**given["message"], "callbackUrl": f"{self.url}{path}", "context": context}
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {given['key']}",
        }
        request = urllib.request.Request(
            given["webhook"], json.dumps(message).encode(), headers, method="POST"
        )
        try:
            _DIRECT.open(request, timeout=10).close()
        except urllib.error.HTTPError as error:
            run.end("FAILED", f"The webhook answered {error.code}.")
        except OSError as error:
            run.end("FAILED", f"The webhook can't be reached ({type(error).__name__}).")
        return run

    def answer(self, path: str, status: str, body: bytes) -> int:
        """The status of HTTP: 404 for an unknown address, 409 for one that has been called."""
        with self._lock:
            run = self._waiting.get(path)
            if run is None:
                return 404
            if run.status != "RUNNING":
                return 409
            run.end(STATES.get(status, "FAILED"), body.decode(errors="replace"))
        return 200


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HTTPFlows

    def do_GET(self) -> None:
        if self.path == "/executions":
            self._send(200, [asdict(run) for run in self.server.runs])
        else:
            self._send(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # No form of a web page can send this type.
        if self.headers.get_content_type() != "application/json":
            self._send(415)
        elif self.path == "/executions":
            self._send(201, asdict(self.server.start(json.loads(body))))
        else:
            status = self.headers.get("Countersign-Status", "")
            self._send(self.server.answer(self.path, status, body))

    def _send(self, status: int, content: Any = None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Addresses are the steps' handles: nothing is logged."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.http_flows")
    parser.add_argument("--port", type=int, default=0)
    HTTPFlows(parser.parse_args().port).serve_forever()


if __name__ == "__main__":
    main()
