"""The processes that are measured, started as an installation starts them, and what they cost."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.browser import answers
from bench.setting import Setting
from demo.paths import ROOT
from demo.processes import Service, ServiceFailed, launch, tethered

TICK = os.sysconf("SC_CLK_TCK")
CELERY = ("-m", "celery", "--quiet", "-A", "config")
WORKER = (
    *CELERY, "worker", "--pool", "threads", "--loglevel", "info",
    "--without-gossip", "--without-mingle", "--without-heartbeat",
)  # fmt: skip


@contextmanager
def process(place: Setting, name: str, *arguments: str, **environment: str) -> Iterator[Service]:
    """A process of this Python in the project's folder; stopped at the end."""
    service = launch(
        name,
        tethered([sys.executable, *arguments]),
        place.folder / f"{name}.log",
        cwd=ROOT,
        env={**place.environment, **environment},
    )
    try:
        yield service
    finally:
        service.stop(signal.SIGTERM)


@contextmanager
def heartbeat_worker(place: Setting, **environment: str) -> Iterator[Service]:
    options = ("-Q", "heartbeats", "--concurrency", "1", "-n", "heartbeats@%h")
    with process(place, "heartbeats", *WORKER, *options, **environment) as service:
        yield service


@contextmanager
def callbacks_worker(place: Setting) -> Iterator[Service]:
    options = ("-Q", "callbacks,mails", "--concurrency", "8", "-n", "callbacks@%h")
    with process(place, "worker", *WORKER, *options) as service:
        yield service


@contextmanager
def beat(place: Setting) -> Iterator[Service]:
    schedule = str(place.folder / "celerybeat-schedule")
    with process(place, "beat", *CELERY, "beat", "--schedule", schedule, "--pidfile=") as service:
        yield service


@contextmanager
def web(place: Setting, name: str, application: str) -> Iterator[Path]:
    """gunicorn with the product's configuration; yields the socket that it listens on."""
    address = place.folder / "run" / f"{name}.sock"
    command = ("-m", "gunicorn", "-c", "config/gunicorn.py", application)
    with process(place, name, *command, BIND=f"unix:{address}") as service:
        service.wait_until(lambda: answers(address))
        yield address


def cpu_seconds(*services: Service) -> float:
    """User and system time of the services, their children included, the dead ones too."""
    return sum(_cpu_of(pid) for service in services for pid in _tree(service.process.pid))


def wait_for(ready: Callable[[], bool], seconds: float, pause: float = 0.05) -> None:
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            raise ServiceFailed(f"What was measured did not end within {seconds:.0f} s.")
        time.sleep(pause)


def wait_until_idle(*services: Service) -> None:
    """Return once they have used no CPU worth the name for half a second."""
    last = cpu_seconds(*services)

    def idle() -> bool:
        nonlocal last
        before, last = last, cpu_seconds(*services)
        return last - before <= 0.03

    time.sleep(0.5)
    wait_for(idle, seconds=60, pause=0.5)


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICK  # own user, own system, and those of reaped children


def _tree(pid: int) -> list[int]:
    """The process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task").glob("*/children")
        below = [int(child) for file in children for child in file.read_text().split()]
    except OSError:
        return [pid]
    return [pid, *(each for child in below for each in _tree(child))]
