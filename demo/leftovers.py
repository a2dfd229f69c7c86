"""START-UP: find and stop what an earlier run left behind. Standard library only.

A service of ours is a process of the right program whose working folder is the service's own data
folder. A pid alone proves nothing: after a crash the kernel may have given it to anybody.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def living_in(folder: Path, program: str) -> list[int]:
    """The pids of `program` that work in `folder`; of PostgreSQL its children too.

    Neither a zombie nor the process of another user shows its working folder, so neither is found.
    """
    home = os.path.realpath(folder)
    return [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if _working_folder(entry) == home and program in _names(entry)
    ]


def stop_leftovers(folder: Path, program: str, first: signal.Signals = signal.SIGTERM) -> None:
    """Ask by signal `first`, then insist; return when no process of the service is left."""
    for wanted, seconds in ((first, 10), (signal.SIGQUIT, 3), (signal.SIGKILL, 5)):
        for pid in _without_children(living_in(folder, program)):
            _send(pid, wanted)
        if _gone_within(seconds, folder, program):
            return


def _gone_within(seconds: float, folder: Path, program: str) -> bool:
    until = time.monotonic() + seconds
    while living_in(folder, program):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _without_children(pids: Iterable[int]) -> list[int]:
    """Those whose parent is not among them: a postmaster stops its children itself."""
    every = set(pids)
    return [pid for pid in every if _parent(pid) not in every]


def _send(pid: int, wanted: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, wanted)


def _working_folder(entry: Path) -> str | None:
    try:
        return os.readlink(entry / "cwd")
    except OSError:
        return None


def _names(entry: Path) -> set[str]:
    """What the process is: its binary's name, and the words of its command line."""
    try:
        binary = os.readlink(entry / "exe").removesuffix(" (deleted)")  # a renewed .venv
        words = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return set()
    return {os.path.basename(binary), *(os.fsdecode(word) for word in words)}


def _parent(pid: int) -> int | None:
    try:
        # "pid (name) state ppid …", and the name may hold spaces and brackets
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None
