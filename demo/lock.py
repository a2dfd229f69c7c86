"""START-UP: one demo at a time in this folder. Standard library only: `start.py reset` uses it.

The kernel drops the lock with its process, so a crash leaves none. The file says who holds it.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from demo.paths import LOCK_FILE


@dataclass(frozen=True)
class Holder:
    pid: int
    address: str


class AlreadyRunning(Exception):
    def __init__(self, holder: Holder) -> None:
        super().__init__(f"The demo is already running at {holder.address}")
        self.holder = holder


@contextmanager
def demo_lock() -> Iterator[Callable[[str], None]]:
    """Hold the lock or raise `AlreadyRunning`; yields what notes the address for others."""
    descriptor = os.open(LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_read(descriptor)) from None
        _note(descriptor, "an address it has not chosen yet")
        yield lambda address: _note(descriptor, address)
    finally:
        os.close(descriptor)


def _note(descriptor: int, address: str) -> None:
    text = json.dumps({"pid": os.getpid(), "address": address}).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)


def _read(descriptor: int) -> Holder:
    try:
        return Holder(**json.loads(os.pread(descriptor, 1000, 0)))
    except (ValueError, TypeError):
        return Holder(pid=0, address="an address it has not chosen yet")
