"""What an engine is: three calls, each tried once, with errors that say what the caller should do.

Add one by writing a file of this shape, a line in `registry.py` and a subclass of the contract in
`tests/contracts/engine_contract.py` (docs/add-an-engine.md).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from approvals.tokens import TaskToken


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How to reach an engine: the plain values of a `Connection`."""

    kind: str
    region: str = ""
    endpoint_url: str = ""  # blank: the vendor's own address


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine takes, in bytes of UTF-8; checked before a decision is taken, not after."""

    output: int
    error: int
    cause: int


class Fate(StrEnum):
    """What became of a step whose answer we may have given (`Engine.find_out`)."""

    OURS = "ours"  # the history shows this very answer
    WAITING = "waiting"  # the step still waits
    OTHERWISE = "otherwise"  # the step ended, and not by our answer
    UNKNOWN = "unknown"  # can't be told: no permission, no history, several steps alike


@dataclass(frozen=True, slots=True)
class Step:
    """The step that waits, as far as the message told: execution ARN, state name.

    With its token a look-up tells apart the steps that bear one name (retries, loops, a Map).
    """

    execution_id: str
    state: str = ""
    token: TaskToken | None = None


class Engine(Protocol):
    """One try per call, no retries inside; each raises the `EngineError`s of `approvals.errors`."""

    limits: Limits

    def succeed(self, token: TaskToken, output: str) -> None:
        """Hand the step its result. `output` is JSON text."""

    def fail(self, token: TaskToken, error: str, cause: str) -> None:
        """Fail the step with an error name that the workflow can catch."""

    def heartbeat(self, token: TaskToken) -> None:
        """Say "still waiting"."""

    def find_out(self, step: Step, decision_id: str) -> Fate:
        """Look up what became of the step; `decision_id` is in the answer that we sent."""

    def console_url(self, step: Step) -> str:
        """Where a person can look at the execution in the engine's own console; "" if nowhere."""
