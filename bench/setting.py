"""Where figures are measured: PostgreSQL and Valkey of their own, settings as in production.

PostgreSQL keeps its durability (fsync, synchronous commit): without it, figures would flatter.
"""

import base64
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import postgres, valkey

WITHOUT_PROXY = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
# What a person's shell may hold, and what would change what is measured.
UNWANTED = (
    "DEMO", "DEBUG", "LOG_LEVEL", "WEB_CONCURRENCY", "WEB_THREADS", "DATABASE_POOL",
    "HEARTBEATS_PER_SECOND", "HEARTBEAT_THREADS", "AWS_PROFILE", "AWS_ENDPOINT_URL",
)  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """`environment` is what processes of ours are started with."""

    folder: Path
    database: postgres.Postgres
    environment: dict[str, str]


@contextmanager
def setting(**more: str) -> Iterator[Setting]:
    """Start it all, migrate, set Django up in this process; stop and remove it all at the end.

    `more` are environment variables. Once per process, from its main thread.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-")))
        sockets = folder / "run"
        sockets.mkdir(mode=0o700)
        database = postgres.start(folder / "postgres", sockets)
        stack.callback(database.stop)
        broker = valkey.start(folder / "valkey", sockets)
        stack.callback(broker.stop)
        for name in UNWANTED:
            os.environ.pop(name, None)
        os.environ |= {
            **_environment(folder),
            "DATABASE_URL": database.url,
            "BROKER_URL": broker.broker_url,
            **more,
        }
        _set_up_django()
        stack.callback(_close_connections)
        yield Setting(folder, database, dict(os.environ))


def _environment(folder: Path) -> dict[str, str]:
    env_file = folder / "empty.env"
    env_file.touch()
    return {
        "ENV_FILE": str(env_file),  # so that neither .env nor a running demo's file is read
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "bench-only-" + "0123456789abcdef" * 4,
        "TOKEN_KEYS": base64.urlsafe_b64encode(b"bench-only-" + b"x" * 21).decode(),
        "TOKEN_DIGEST_KEY": "bench-only-" + "fedcba9876543210" * 3,
        "SITE_URL": "http://127.0.0.1:8000",
        "LOG_FORMAT": "json",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
        **WITHOUT_PROXY,
    }


def _set_up_django() -> None:
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    logging.getLogger().setLevel(logging.WARNING)  # of this process: it prints a table
    call_command("migrate", verbosity=0)
    connections.close_all()  # a database with connections is no template for others


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()
