"""The services and settings that tests run with; loaded by `-p tests.environment` before Django.

An embedded PostgreSQL (durability off) and Valkey are started once, in the process that was
called, and inherited by xdist's workers. `DATABASE_URL` and `BROKER_URL` replace them where given.
How the tests are shared out among those is here too.
"""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

_services = ExitStack()

# What starts real processes and waits for them: begun last, one such test would be waited for.
_LONG = ("bench", "browser", "demo", "flow", "processes")

# Fixed, so that a failure can be looked at again; never used outside tests.
_SETTINGS = {
    "ENV_FILE": os.devnull,
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "DJANGO_ALLOW_ASYNC_UNSAFE": "1",  # Playwright runs an event loop around live-server tests
    "SECRET_KEY": "tests-only-" + "0123456789abcdef" * 4,
    "TOKEN_KEYS": "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
    "TOKEN_DIGEST_KEY": "tests-only-" + "fedcba9876543210" * 3,
    "SITE_URL": "http://127.0.0.1:8000",
    "LOG_FORMAT": "console",
    "SQS_WAIT_SECONDS": "1",
    # boto3 looks for credentials on the network where it is given none.
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def _start() -> None:
    os.environ.update(_SETTINGS)
    os.environ.pop("DEMO", None)
    given = os.environ.get("DATABASE_URL"), os.environ.get("BROKER_URL")
    if all(given):
        return
    from demo import postgres, valkey

    folder = Path(_services.enter_context(tempfile.TemporaryDirectory(prefix="countersign-")))
    sockets = folder / "run"
    sockets.mkdir(mode=0o700)
    if not given[0]:
        fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        server = postgres.start(folder / "postgres", sockets, settings=fast)
        _services.callback(server.stop)
        os.environ["DATABASE_URL"] = server.url
    if not given[1]:
        broker = valkey.start(folder / "valkey", sockets)
        _services.callback(broker.stop)
        os.environ["BROKER_URL"] = broker.broker_url


if "PYTEST_XDIST_WORKER" not in os.environ:
    _start()


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: one more than there are cores, since much of the time is spent waiting."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    _services.close()
