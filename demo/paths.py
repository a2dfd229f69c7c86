"""START-UP: where the demo keeps its things. Standard library only: `start.py reset` uses it."""

import hashlib
import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
ENV_FILE = LOCAL / "demo.env"  # read by config/env.py
SECRETS_FILE = LOCAL / "secrets.env"
LOCK_FILE = LOCAL / "demo.lock"
BEAT_SCHEDULE = LOCAL / "celerybeat-schedule"

# The kernel's limit for the path of a socket is 107 characters; PostgreSQL's name is the longest.
LONGEST_SOCKET = 107 - len("/.s.PGSQL.5432")


class FolderUnusable(Exception):
    """A folder of the demo belongs to somebody else, or others can write into it."""


def prepare(local: Path = LOCAL) -> None:
    """Make `.local`, for this user alone. PostgreSQL takes no data folder of another user."""
    local.mkdir(mode=0o700, exist_ok=True)
    if local.stat().st_uid != os.geteuid():
        raise FolderUnusable(
            f"{local} belongs to another user: start as that user, or run `start.py reset` "
            "as that user or as root."
        )


def run_folder(local: Path = LOCAL) -> Path:
    """The folder of the sockets: `.local/run`, or one under /tmp where that path is too long.

    Who reaches the sockets reaches the data without a password, so nobody else may enter.
    """
    folder = run_folder_path(local)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise FolderUnusable(f"{folder} must be a folder of yours with mode 0700: remove it.")
    return folder


def run_folder_path(local: Path = LOCAL) -> Path:
    """Where `run_folder` is or would be; makes nothing."""
    inside = local / "run"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET:
        return inside
    digest = hashlib.sha256(os.fsencode(local)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"countersign-{os.geteuid()}-{digest}"
