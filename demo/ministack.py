"""START-UP: the other AWS emulator (MiniStack), for what moto can't do, on 127.0.0.1.

It delivers to API destinations, asks SNS subscribers to confirm, runs Lambda functions as
processes, sends the events of executions and understands JSONata. It does not enforce
HeartbeatSeconds, and keeps everything in memory.
"""

import http.client
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from demo.aws import CREDENTIALS, free_port, without_proxy
from demo.leftovers import stop_leftovers
from demo.processes import Service, launch as launch_service, tethered

# It would listen on all addresses, for these on ports of their own.
_ONLY_HERE = {"BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}
# It tidies up containers of its own kind wherever it finds a daemon; it needs none here.
_NO_CONTAINERS = {"DOCKER_HOST": "unix:///nonexistent", "LAMBDA_EXECUTOR": "local"}


@dataclass(frozen=True)
class MiniStack:
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
        self.service.wait_until(self._answers)

    def stop(self) -> None:
        self.service.stop(signal.SIGTERM, seconds=3)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/_ministack/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def start(data_dir: Path, *, log_file: Path | None = None) -> MiniStack:
    """Start with `data_dir` as working folder, made where missing, and wait. Main thread only."""
    emulator = launch(data_dir, log_file=log_file)
    emulator.wait_until_ready()
    return emulator


def launch(data_dir: Path, *, log_file: Path | None = None) -> MiniStack:
    """As `start`, without waiting."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    stop_leftovers(data_dir, "ministack")
    for left in data_dir.glob("ministack-*-*"):  # the code of functions of earlier lives
        shutil.rmtree(left, ignore_errors=True)
    port = free_port(data_dir / "port")
    environment = {
        **os.environ,
        **CREDENTIALS,
        **without_proxy(),
        **_ONLY_HERE,
        **_NO_CONTAINERS,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",  # in the addresses of queues
        "LOG_LEVEL": "WARNING",  # below that it logs the tokens in its messages
        "TMPDIR": str(data_dir),  # its pid file, the code of functions
    }
    log_file = log_file or data_dir.with_name(f"{data_dir.name}.log")
    service = launch_service(
        "MiniStack",
        tethered([sys.executable, "-m", "ministack"]),
        log_file,
        cwd=data_dir,
        env=environment,
    )
    return MiniStack(port, service)
