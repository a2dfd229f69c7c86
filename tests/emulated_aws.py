"""The demo's AWS emulator for tests: real state machines, the real queue, the demo's seed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from approvals.intake.accept import Acceptance, accept
from approvals.intake.sources.sqs import SQSQueue
from approvals.models import Source
from demo import aws as emulator
from demo.aws_resources import AwsResources

T = TypeVar("T")


@contextmanager
def emulated_aws(folder: Path) -> Iterator[AwsResources]:
    """One life of the emulator; boto3 finds it by the environment until it ends."""
    running = emulator.start(folder)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in running.environment.items():
                patch.setenv(name, value)
            yield AwsResources()
    finally:
        running.stop()


def take_in(source: Source) -> list[Acceptance]:
    """What the receiver does with one batch."""
    queue = SQSQueue(source)
    items = queue.receive()
    acceptances = accept(source, [item.body for item in items])
    if items:
        queue.forget(items)
    return acceptances


def until(look: Callable[[], T | None], seconds: float = 10) -> T:
    """The first thing that `look` finds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing came within {seconds} seconds")
