"""START-UP: the servers that the demo brings itself: a CloudFlow, and workflows on HTTP."""

import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.aws import free_port, without_proxy
from demo.leftovers import stop_leftovers
from demo.paths import ROOT
from demo.processes import Service, launch as launch_service, tethered

ALIBABA_QUEUE = "approvals"
ALIBABA_KEY = ("DEMO_ALIBABA_KEY_ID", "DEMO_ALIBABA_SECRET")


@dataclass(frozen=True)
class Server:
    port: int
    service: Service

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self) -> None:
        self.service.wait_until(self._answers)

    def stop(self) -> None:
        self.service.stop(signal.SIGTERM, seconds=3)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def launch(
    module: str,
    data_dir: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    log_file: Path | None = None,
) -> Server:
    """`python -m module --port …` with `data_dir` as working folder. Main thread only."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    stop_leftovers(data_dir, module)
    port = free_port(data_dir / "port")
    service = launch_service(
        module,
        tethered([sys.executable, "-m", module, "--port", str(port), *arguments]),
        log_file or data_dir.with_name(f"{data_dir.name}.log"),
        cwd=data_dir,
        env={
            **os.environ,
            **without_proxy(),
            **(environment or {}),
            "PYTHONPATH": str(ROOT),  # its working folder is another
        },
    )
    return Server(port, service)
