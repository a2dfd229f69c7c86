"""DEMO: an execution as its engine sees it, and what the demo asks of every engine."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as it stands: `step` is the one it is in or ended in."""

    id: str  # what its messages call it
    name: str
    workflow: str
    status: str
    started_at: datetime
    stopped_at: datetime | None
    step: str
    result: str  # output, or error and cause; blank while it runs
    engine: str = ""


class NotReached(Exception):
    """An engine of the demo does not answer, or refuses; the message says which and why."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Engine(Protocol):
    """Every call may raise one of `demo.engines.NOT_REACHED`."""

    def knows(self, execution_id: str) -> bool: ...

    def executions(self) -> list[Execution]:
        """All of the demo's own, in any order."""
        ...
