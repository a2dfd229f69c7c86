"""START-UP: run the processes of the demo under one roof, with their logs in one stream.

Honcho's manager does it: one dies, all stop. What is added: nothing survives a `kill -9` of the
manager, a signal during the start is kept for later, and somebody hears when everything is started.
"""

import ctypes
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from honcho import manager
from honcho.process import Process

from demo.processes import tethered

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1

manager.KILL_WAIT = 10  # seconds from SIGTERM to SIGKILL


class Watched(Process):
    """Runs in honcho's watcher: a fork of the manager that starts one process and reads its log.

    The watcher dies with the manager, and the process with the watcher.
    """

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        _die_with_parent()
        for number in STOP_SIGNALS:
            # Not SIG_IGN, which the process would inherit. Honcho's own handler is the manager's.
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        super().run(events, ignore_signals)


class Supervisor(manager.Manager):
    def __init__(self, env: Mapping[str, str], cwd: Path, on_started: Callable[[], None]) -> None:
        super().__init__()
        self._process_ctor = Watched
        self._env, self._cwd, self._on_started = dict(env), str(cwd), on_started

    def add(self, name: str, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        """A process of this Python: `add("web", "-m", "gunicorn", …)`; `env` is for it alone."""
        command = shlex.join(tethered([sys.executable, *arguments]))
        environment = {**self._env, **(env or {})}
        self.add_process(name, f"exec {command}", env=environment, cwd=self._cwd)

    def run(self) -> None:
        """Until all have stopped: because one did, or because a signal asked."""
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
        try:
            self.loop()
        finally:
            # Only after an error are there any: a watcher takes its process along.
            for process in self._processes.values():
                if "process" in process:
                    process["process"].kill()

    def terminate(self) -> None:
        """Honcho knows a pid only once the process has reported it: until then, ask again later."""
        if self._all_started():
            super().terminate()
        else:
            threading.Timer(0.2, self.terminate).start()

    def _start(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        super()._start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        # after the forks: a fork of a process with threads is asking for trouble
        threading.Thread(target=self._on_started, daemon=True).start()


def _die_with_parent() -> None:
    """SIGKILL for this process when its parent dies, by the kernel; see `tethered`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
