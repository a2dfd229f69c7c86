"""START-UP: the AWS emulator (moto server), which really runs state machines, on 127.0.0.1.

It keeps everything in memory. Its recorder is no way to keep executions: a replay starts each of
them again, sends every message twice, and the task tokens from before are invalid (tried).
"""

import http.client
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from demo.leftovers import stop_leftovers
from demo.processes import Service, launch as launch_service, tethered

RUN_STATE_MACHINES = json.dumps({"stepfunctions": {"execute_state_machine": True}})
# Any will do for the emulator. Given by environment, they go before a person's own ~/.aws files.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Aws:
    port: int
    service: Service

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 needs to talk to the emulator and to nothing else."""
        return {**CREDENTIALS, **without_proxy(), "AWS_ENDPOINT_URL": self.endpoint_url}

    def wait_until_ready(self) -> None:
        """Return once it answers and has been told to run state machines, not only store them."""
        self.service.wait_until(self._configured)

    def stop(self) -> None:
        self.service.stop(signal.SIGTERM, seconds=3)

    def _configured(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        headers = {"Content-Type": "application/json"}
        try:
            connection.request("POST", "/moto-api/config", RUN_STATE_MACHINES, headers)
            return connection.getresponse().status in (200, 201)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def start(data_dir: Path, *, log_file: Path | None = None) -> Aws:
    """Start with `data_dir` as working folder, made where missing, and wait. Main thread only."""
    emulator = launch(data_dir, log_file=log_file)
    emulator.wait_until_ready()
    return emulator


def launch(data_dir: Path, *, log_file: Path | None = None) -> Aws:
    """As `start`, without waiting."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    stop_leftovers(data_dir, "moto.server")
    port = free_port(data_dir / "port")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    # moto calls itself (Step Functions sends to SQS) at MOTO_PORT
    environment = {**os.environ, **CREDENTIALS, **without_proxy(), "MOTO_PORT": str(port)}
    log_file = log_file or data_dir.with_name(f"{data_dir.name}.log")
    service = launch_service(
        "The AWS emulator", tethered(command), log_file, cwd=data_dir, env=environment
    )
    return Aws(port, service)


def free_port(remembered: Path) -> int:
    """The port of last time where it is free, so that queue addresses stay the same; else any."""
    last = remembered.read_text() if remembered.is_file() else ""
    for candidate in (int(last) if last.isdigit() else 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except (OSError, OverflowError):
                continue
            port = int(probe.getsockname()[1])
            remembered.write_text(str(port))
            return port
    raise OSError("no free port on 127.0.0.1")


def without_proxy() -> dict[str, str]:
    """A company's proxy cannot reach 127.0.0.1. Both spellings are in use."""
    given = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    value = ",".join(filter(None, [given, "127.0.0.1", "localhost"]))
    return {"NO_PROXY": value, "no_proxy": value}
