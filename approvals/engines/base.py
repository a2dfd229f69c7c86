"""What an engine is: a few calls, each tried once, with errors that say what the caller should do.

Add one by writing a file of this shape, a line in `registry.py` and a subclass of the contract in
`tests/contracts/engine_contract.py` (docs/add-an-engine.md).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from approvals.findings import Finding
from approvals.tokens import TaskToken


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How to reach an engine: the plain values of a `Connection`, each used by some kinds alone."""

    kind: str
    region: str = ""
    endpoint_url: str = ""  # blank: the vendor's own address
    role_arn: str = ""  # Step Functions: the role to assume; blank: the process' own identity
    external_id: str = ""  # goes with the role
    hosts: tuple[str, ...] = ()  # callback URL: where answers may go, and no credential elsewhere
    auth: str = ""  # callback URL: none, bearer, header, google or oauth
    header_name: str = ""
    token_url: str = ""
    scope: str = ""
    key_id: str = ""  # CloudFlow's access key id, OAuth's client id
    secret: bytes = field(default=b"", repr=False)  # what goes with it; open it with tokens.decrypt


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine takes, in bytes of UTF-8; checked before a decision is taken, not after."""

    output: int
    error: int
    cause: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How many calls an engine's quota allows: so many a second, after a burst of so many."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Times:
    """What a state's definition says, in seconds; None where it says nothing that is fixed."""

    heartbeat_seconds: int | None = None
    timeout_seconds: int | None = None


class Handle(StrEnum):
    """What messages hand over as the secret by which a step is answered."""

    TOKEN = "token"  # noqa: S105 - a task token
    URL = "url"  # an address that takes the answer, a secret too


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


class Engine(ABC):
    """One try per call, no retries inside; each raises the `EngineError`s of `approvals.errors`."""

    limits: Limits
    handle: Handle = Handle.TOKEN
    pace: Pace | None = None  # None: Countersign's own limits are far below the engine's
    has_definitions: bool = False  # True: `times` can read what a state's definition says

    @abstractmethod
    def __init__(self, config: EngineConfig) -> None:
        """Raises `EngineUnavailable` where nothing can be made of `config`."""

    @classmethod
    def can_be_asked(cls, execution_id: str) -> bool:
        """Whether anybody can tell if a step of this execution ("" where the message names none)
        still waits. Where nobody can, its deadline is all there is, and no heartbeat is sent."""
        return True

    @classmethod
    def problem_with(cls, config: EngineConfig, token: TaskToken) -> str:
        """Why this can't be a token of this engine, in words without it; "" if it may be one.
        Asks nobody: messages with such a token go to quarantine at once."""
        return ""

    @abstractmethod
    def succeed(self, token: TaskToken, output: str) -> None:
        """Hand the step its result. `output` is JSON text."""

    @abstractmethod
    def fail(self, token: TaskToken, error: str, cause: str) -> None:
        """Fail the step with an error name that the workflow can catch."""

    @abstractmethod
    def heartbeat(self, step: Step) -> None:
        """Say "still waiting" for a step with its token, or look whether it waits where the engine
        knows no heartbeats; raises `TaskGone` if it does not."""

    @abstractmethod
    def find_out(self, step: Step, decision_id: str) -> Fate:
        """Look up what became of the step; `decision_id` is in the answer that we sent.

        A blank `decision_id` asks only whether the step waits.
        """

    def times(self, step: Step) -> Times:
        """What the definition that the execution runs says of the step's state.

        Raises `EngineUnavailable` where a later look may tell more, `CallbackRefused` where this
        connection may not see it.
        """
        return Times()

    def console_url(self, step: Step) -> str:
        """Where a person can look at the execution in the engine's own console; "" if nowhere."""
        return ""

    @abstractmethod
    def examine(self) -> Iterator[Finding]:
        """For `manage.py doctor`: credentials, permissions and a dry run that changes nothing.
        Raises nothing: what fails is a finding, with what to mend."""
