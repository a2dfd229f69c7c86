"""START-UP: start one service, wait until it answers, stop it. Knows no particular service."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

TAIL_LINES = 15


class ServiceFailed(Exception):
    """A service did not start; the message says which, and ends with its last log lines."""


@dataclass(frozen=True)
class Service:
    """One running child process and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log_file: Path

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Poll `ready`; raise `ServiceFailed` where the process ends or takes too long."""
        until = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None:
                raise failure(self.name, "ended at once", self.log_file)
            if time.monotonic() > until:
                self.stop(signal.SIGKILL)
                raise failure(self.name, f"did not answer within {seconds:.0f} s", self.log_file)
            time.sleep(0.02)

    def stop(self, *signals: signal.Signals, seconds: float = 10) -> None:
        """Send one signal after the other, SIGKILL last, until the process has ended."""
        for wanted in (*signals, signal.SIGKILL):
            if self.process.poll() is not None:
                return
            self.process.send_signal(wanted)
            try:
                self.process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                continue


def launch(
    name: str,
    command: list[str],
    log_file: Path,
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> Service:
    """Start a child that writes to its log, in a session of its own.

    The terminal's Ctrl-C goes to the whole foreground group. A service must outlive the workers
    that use it, so it is kept out of that group; whoever started it stops it.
    """
    log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Service(name, process, log_file)


def tethered(command: list[str], last_signal: str = "KILL") -> list[str]:
    """The command, so that the kernel sends it a signal when the process that started it dies.

    This is what ends the children after a `kill -9` of the demo. The kernel watches the *thread*
    that started the child: start services from the main thread only. util-linux has `setpriv`;
    without it, the next start finds what was left (demo/leftovers.py).
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", last_signal, *command] if setpriv else command


def failure(name: str, what: str, log_file: Path, hint: str = "") -> ServiceFailed:
    lines = log_file.read_text(errors="replace").splitlines() if log_file.is_file() else []
    tail = "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])
    return ServiceFailed(f"{name} {what}.{hint} The end of {log_file}:\n{tail or '    (empty)'}")
