"""The canonical message: what every source's raw body becomes before it is accepted. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from approvals.tokens import TaskToken


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """What the engine says about the step that waits (Step Functions' context object)."""

    execution_id: str = ""  # an ARN in Step Functions
    execution_name: str = ""
    workflow_id: str = ""  # the state machine's ARN
    workflow: str = ""  # the state machine's name
    state: str = ""
    entered_at: datetime | None = None  # the state, or entered again by a redrive
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A place where a reviewer can look something up; always http(s)."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class ExecutionNews:
    """An engine's own word that an execution goes on or has ended; asks nobody for anything."""

    ENDS: ClassVar = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})

    execution_id: str
    status: str  # RUNNING, one of ENDS, or a word that tells us nothing (PENDING_REDRIVE)
    at: datetime  # the engine's
    redriven: bool = False  # RUNNING, and not for the first time

    @property
    def has_ended(self) -> bool:
        return self.status in self.ENDS


@dataclass(frozen=True, slots=True)
class Reviewers:
    """Those of a gate's reviewers who alone may decide: user names or emails, and teams."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """One inbound item, verified and normalised. Only the token is required."""

    token: TaskToken
    title: str = ""  # ≤ 200 characters, one line
    summary: str = ""  # markdown, ≤ 10,000 characters
    gate: str = ""  # a gate's slug
    requested_by: str = ""  # ≤ 254 characters
    input: Any = None  # JSON, every occurrence of the token masked
    links: tuple[Link, ...] = ()
    form: dict[str, Any] | None = None  # JSON Schema, not yet checked
    choices: tuple[Any, ...] = ()  # texts or objects, not yet checked
    reviewers: Reviewers | None = None  # None: all whom the gate names
    heartbeat_seconds: int | None = None
    timeout_seconds: int | None = None
    deadline: datetime | None = None
    dedupe_key: str = ""
    context: ExecutionContext = field(default_factory=ExecutionContext)
