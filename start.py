#!/usr/bin/env python3
"""Countersign: a self-hosted inbox for the approvals that workflow engines wait for.

  python3 start.py                    run the demo: everything on this machine, nothing to set up
  python3 start.py demo --port 9000   the same, on another port
  python3 start.py manage COMMAND …   a manage.py command, against the running demo
  python3 start.py reset              stop the demo and delete its data, so that it begins anew
  python3 start.py test [ARGUMENT …]  run the tests; arguments go to pytest
  python3 start.py check              run the linters and type checks
  python3 start.py bench NAME …       print figures: inbox, heartbeats or click

The first start makes .venv from the hashed requirement files, which takes a minute or two; later
ones take seconds. The demo keeps its data in .local, and Ctrl-C stops all of it. Nothing outside
this folder is changed, but `test` as root installs Debian's Chromium by apt where it is missing.

DATABASE_URL, BROKER_URL and AWS settings (AWS_ENDPOINT_URL, AWS_PROFILE or AWS_ACCESS_KEY_ID),
where given, replace the embedded PostgreSQL, Valkey and AWS emulators.
"""
# START-UP: standard library only. It makes the environment in .venv, then hands over to it.

from __future__ import annotations  # an older Python must get as far as to say that it is too old

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "made-for"
OLDEST_PYTHON = (3, 11)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHECKS = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "djlint": ["-m", "djlint", "--lint", "templates"],
    "mypy": ["-m", "mypy"],
    "import-linter": ["-c", "from importlinter.cli import lint_imports_command as lint; lint()"],
    "migrations": [
        "-W",
        "ignore",
        "manage.py",
        "makemigrations",
        "--check",
        "--dry-run",
        "--skip-checks",
    ],
}


def main(arguments: list[str]) -> int:
    name, *rest = arguments or ["demo"]
    if sys.version_info < OLDEST_PYTHON:
        fail(f"this is Python {sys.version.split()[0]}: start with Python 3.11 or newer.")
    if name in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0
    if name not in COMMANDS:
        print(f"start.py: there is no command {name!r}; see `start.py --help`.", file=sys.stderr)
        return 2
    return COMMANDS[name](rest)


def demo(arguments: list[str]) -> NoReturn:
    make_environment("demo")
    hand_over("manage.py", "demo", *arguments, DEMO="1")


def manage(arguments: list[str]) -> NoReturn:
    make_environment("demo")
    hand_over("manage.py", *arguments, DEMO="1")


def test(arguments: list[str]) -> NoReturn:
    make_environment("test")
    ensure_chromium()
    hand_over("-m", "pytest", *(arguments or ["-n", "auto"]))


def bench(arguments: list[str]) -> NoReturn:
    make_environment("test")
    hand_over("-m", "bench", *arguments)


def check(arguments: list[str]) -> int:
    """Run all of them, so that one run shows everything there is to mend."""
    make_environment("test")
    environment = {"SECRET_KEY": "only for the checks", "DEMO": "1", **clean_environment()}
    failed = []
    for name, command in CHECKS.items():
        print(f"--- {name}", flush=True)
        if subprocess.call([PYTHON, *command], cwd=ROOT, env=environment):
            failed.append(name)
    print(f"\nFailed: {', '.join(failed)}" if failed else "\nAll checks passed.")
    return 1 if failed else 0


def reset(arguments: list[str]) -> int:
    """Needs no environment, so it works where making one has failed."""
    return subprocess.call([sys.executable, "-m", "demo.reset"], cwd=ROOT)


COMMANDS = {command.__name__: command for command in (demo, manage, test, bench, check, reset)}


def make_environment(kind: str) -> None:
    """Make or renew `.venv`. The test set holds the demo's, so what was made for it serves both."""
    suitable = [stamp(kind), stamp("test")]
    if made_for() in suitable:
        return
    if not os.access(ROOT, os.W_OK):
        fail(f"you cannot write into {ROOT}: start as its owner, or copy it to a folder of yours.")
    with lock():
        if made_for() in suitable:
            return  # another start has just made it
        if made_for()[1:] == stamp(kind)[1:]:
            STAMP.unlink()  # the same Python in the same place: only the packages are renewed
        else:
            make_venv()
        install(ROOT / f"requirements-{kind}.txt")
        STAMP.write_text("\n".join(stamp(kind)))


def stamp(kind: str) -> list[str]:
    """What an environment is made for; written last, so a half-made one has none."""
    requirements = (ROOT / f"requirements-{kind}.txt").read_bytes()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [hashlib.sha256(requirements).hexdigest(), version, str(VENV)]


def made_for() -> list[str]:
    return STAMP.read_text().splitlines() if STAMP.exists() and PYTHON.exists() else []


@contextmanager
def lock() -> Iterator[None]:
    """One start at a time makes the environment; the kernel drops the lock with its processes.

    An installer inherits it: one that outlives a killed start is waited for.
    """
    folder = os.open(ROOT, os.O_RDONLY)
    os.set_inheritable(folder, True)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another start is making the environment; waiting for it …", flush=True)
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def make_venv() -> None:
    print("Making the environment in .venv …", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    # Without pip: Debian ships Python without ensurepip.
    if call([base_python(), "-m", "venv", "--without-pip", VENV]):
        fail("this Python cannot make a venv: see the lines above.")


def install(requirements: Path) -> None:
    print(f"Installing {requirements.name} …", flush=True)
    what: list[str | Path] = ["--require-hashes", "--quiet", "-r", requirements]
    uv = shutil.which("uv")
    if uv and call([uv, "pip", "install", "--python", PYTHON, *what]) == 0:
        return
    pip = [base_python(), "-m", "pip", "--disable-pip-version-check"]
    if call([*pip, "--version"], stdout=DEVNULL, stderr=DEVNULL):
        fail("pip is missing: install it (Debian: apt install python3-pip) and start again.")
    options = ["--no-input", "--root-user-action", "ignore"]
    if call([*pip, "--python", PYTHON, "install", *options, *what]):
        fail("pip could not install everything: see the lines above.")


def base_python() -> str:
    """The Python that a venv is made from, also where this one runs inside of it."""
    return getattr(sys, "_base_executable", None) or sys.executable


def ensure_chromium() -> None:
    """The browser tests drive Debian's own."""
    if any(map(shutil.which, BROWSERS)):
        return
    apt = shutil.which("apt-get") if os.geteuid() == 0 else None
    if apt:
        print("Installing Chromium by apt-get, for the browser tests …", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-y", "-qq", "chromium"]):
            subprocess.call([apt, *command], env=environment, stdout=DEVNULL)
    if not any(map(shutil.which, BROWSERS)):
        print("browser tests are skipped: there is no Chromium (Debian: apt install chromium)")


def hand_over(*arguments: str, **settings: str) -> NoReturn:
    """Become the environment's Python, so that signals and the exit code need no passing on."""
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(PYTHON, [str(PYTHON), *arguments], {**clean_environment(), **settings})


def clean_environment() -> dict[str, str]:
    """Without what would make Python look for packages elsewhere."""
    unwanted = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def call(command: list[str | Path], **options: Any) -> int:
    """Run it to its end, with the lock that this start may hold."""
    return subprocess.call(command, env=clean_environment(), close_fds=False, **options)


def fail(message: str) -> NoReturn:
    sys.exit(f"start.py: {message}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
