"""What a polled source is: receive a batch, forget what was stored.

Add one by writing a file of this shape, a line in `registry.py` and a subclass of the contract in
`tests/contracts/source_contract.py` (docs/add-a-source.md).
"""

from dataclasses import dataclass
from typing import Protocol


class SourceUnavailable(Exception):
    """The queue can't be read at the moment; the text says why."""


@dataclass(frozen=True, slots=True)
class Received:
    """One raw item: what it says, and the handle by which the queue forgets it."""

    body: str
    handle: str


class PolledSource(Protocol):
    """Used by one thread at a time. Both calls raise `SourceUnavailable`."""

    def receive(self) -> list[Received]:
        """Wait for messages for some seconds; at most one batch, possibly none."""

    def forget(self, items: list[Received]) -> None:
        """Delete what has been stored. What fails here comes again, which is harmless."""
