"""What a source is: it verifies or receives, hands bodies to `accept`, and parses nothing.

Add one by writing a file of one of these shapes, a line in `registry.py` and a subclass of the
contract in `tests/contracts/source_contract.py` (docs/add-a-source.md).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from approvals.findings import Finding
from approvals.models import Source


class SourceUnavailable(Exception):
    """The queue can't be read at the moment; the text says why."""


class CallerRefused(Exception):
    """The caller of an address has not shown who they are, or sends what can't be read.

    `code` is a short stable word, the text for people, `headers` go with the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})


@dataclass(frozen=True, slots=True)
class Received:
    """One raw item: what it says, the handle by which the queue forgets it, and when the queue was
    handed it, where it tells."""

    body: str
    handle: str
    sent_at: datetime | None = None


class PolledSource(ABC):
    """A queue. Used by one thread at a time; both calls raise `SourceUnavailable`."""

    @abstractmethod
    def __init__(self, source: Source) -> None: ...

    @abstractmethod
    def receive(self) -> list[Received]:
        """Wait for messages for some seconds; at most one batch, possibly none."""

    @abstractmethod
    def forget(self, items: list[Received]) -> None:
        """Delete what has been stored. What fails here comes again, which is harmless."""

    @abstractmethod
    def examine(self) -> Iterator[Finding]:
        """For `manage.py doctor`: credentials, permissions and the queue's own settings; takes no
        message away. Raises nothing: what fails is a finding, with what to mend."""


class CalledSource(ABC):
    """An address. One object a request."""

    content_types: tuple[str, ...] = ("application/json",)
    max_bytes: int = 262_144  # of one request's body

    @abstractmethod
    def __init__(self, source: Source) -> None: ...

    @abstractmethod
    def verify(self, headers: Mapping[str, str], body: bytes) -> str | bytes | None:
        """The body to accept, once the caller has shown who they are; None if the request was no
        message and is dealt with (a confirmation). `headers` ignore case.

        Raises `CallerRefused`.
        """

    @abstractmethod
    def examine(self) -> Iterator[Finding]:
        """For `manage.py doctor`: what is missing before callers can be let in."""
