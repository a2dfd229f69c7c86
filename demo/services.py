"""START-UP: the services that the environment does not give, started together, stopped in order."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from demo import aws, postgres, valkey
from demo.paths import LOCAL, prepare, run_folder

# Any of these says that real AWS, or an emulator of the person's own, is to be used.
AWS_GIVEN = ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID")


class Launched(Protocol):
    def wait_until_ready(self) -> None: ...
    def stop(self) -> None: ...


@contextmanager
def services(
    given: Mapping[str, str] | None = None,
    *,
    local: Path = LOCAL,
    settings: Mapping[str, str] | None = None,
) -> Iterator[dict[str, str]]:
    """Yield the environment variables of what was started; what is `given` is left alone.

    `settings` go to PostgreSQL. Everything starts from this thread (see `tethered`), and only the
    waiting is shared: while one loads, the others do too.
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
