"""Real processes of ours on the test database, as the supervisor would start them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from tests.callbacks.conftest import fake, source, waiting  # noqa: F401 - fixtures


def environment(**changes: str) -> dict[str, str]:
    """Of a process that works on the test database."""
    name = connection.settings_dict["NAME"]
    address = os.environ["DATABASE_URL"].replace("/countersign?", f"/{name}?")
    return os.environ | {"DATABASE_URL": address} | changes


@pytest.fixture
def start(transactional_db: None) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `python -m …`; whatever still runs at the end is ended."""
    running: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str, **changes: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, *arguments], env=environment(**changes))
        running.append(process)
        return process

    yield run
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in running:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def worker(start: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., Any]:
    def run(queue: str, **changes: str) -> subprocess.Popen[bytes]:
        return start(
            *("-m", "celery", "-A", "config", "--quiet", "worker", "-Q", queue),
            *("--pool", "threads", "--concurrency", "2", "-n", f"{queue}@tests"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            **changes,
        )

    return run
