"""START-UP: the services that the environment does not give, started together, stopped in order."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from demo import aws, ministack, postgres, servers, valkey
from demo.paths import LOCAL, prepare, run_folder

# Any of these says that real AWS, or an emulator of the person's own, is to be used.
AWS_GIVEN = ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID")


class Launched(Protocol):
    def wait_until_ready(self) -> None: ...
    def stop(self) -> None: ...


class Emulator(Launched, Protocol):
    @property
    def endpoint_url(self) -> str: ...


@contextmanager
def services(
    given: Mapping[str, str] | None = None,
    *,
    local: Path = LOCAL,
    settings: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Iterator[dict[str, str]]:
    """Yield the environment variables of what was started; what is `given` is left alone.

    `settings` go to PostgreSQL, `secrets` to the services of our own. Everything starts from this
    thread (see `tethered`), and only the waiting is shared: while one loads, the others do too.
    """
    given = os.environ if given is None else given
    made: dict[str, str] = {}
    started: list[Launched] = []
    prepare(local)
    try:
        # The slowest to answer first. The order is also that of stopping: the database is last.
        if not any(given.get(name) for name in AWS_GIVEN):
            emulator = aws.launch(local / "aws", log_file=local / "log" / "aws.log")
            started.append(emulator)
            made |= emulator.environment
            for name, other in _others(local, secrets or {}):
                started.append(other)
                made[name] = other.endpoint_url
        if not given.get("BROKER_URL"):
            broker = valkey.launch(
                local / "valkey", run_folder(local), log_file=local / "log" / "valkey.log"
            )
            started.append(broker)
            made["BROKER_URL"] = broker.broker_url
        if not given.get("DATABASE_URL"):
            database = postgres.launch(
                local / "postgres",
                run_folder(local),
                settings=settings,
                log_file=local / "log" / "postgres.log",
            )
            started.append(database)
            made["DATABASE_URL"] = database.url
        for service in reversed(started):
            service.wait_until_ready()
        yield made
    finally:
        for service in started:
            service.stop()


def _others(local: Path, secrets: Mapping[str, str]) -> Iterator[tuple[str, Emulator]]:
    """The engines for every other way in, by the variable that names their address."""
    log = local / "log"
    yield (
        "DEMO_MINISTACK_URL",
        ministack.launch(local / "ministack", log_file=log / "ministack.log"),
    )
    yield (
        "DEMO_ALIBABA_URL",
        servers.launch(
            "demo.alibaba",
            local / "alibaba",
            *("--queue", servers.ALIBABA_QUEUE),
            environment={name: secrets[name] for name in servers.ALIBABA_KEY if name in secrets},
            log_file=log / "alibaba.log",
        ),
    )
    yield (
        "DEMO_HTTP_FLOWS_URL",
        servers.launch("demo.http_flows", local / "http-flows", log_file=log / "http-flows.log"),
    )
