"""Executions and their waiting steps, as Step Functions keeps them: state, clocks and history."""

import base64
import itertools
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

NEVER = float("inf")
RESOURCE = {"resourceType": "sqs", "resource": "sendMessage.waitForTaskToken"}
# status of a step -> event, status of the execution and its event, if nothing catches it
ENDS = {
    "succeeded": ("TaskSucceeded", "SUCCEEDED", "ExecutionSucceeded"),
    "failed": ("TaskFailed", "FAILED", "ExecutionFailed"),
    "timed_out": ("TaskTimedOut", "FAILED", "ExecutionFailed"),
}
_numbers = itertools.count(1)


def new_token() -> str:
    """Like the real ones: long, with `+`, `/` and `=` in it."""
    return "AQCsAAAAKgAAAAMAAAAA+/" + base64.b64encode(secrets.token_bytes(301)).decode()


def new_execution_arn() -> str:
    return f"arn:aws:states:us-east-1:123456789012:execution:refunds:run-{next(_numbers)}"


@dataclass(slots=True)
class FakeExecution:
    arn: str
    status: str = "RUNNING"
    events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, previous: int, **details: Any) -> int:
        """One more event; its id."""
        event = {"id": len(self.events) + 1, "previousEventId": previous, "type": kind}
        event["timestamp"] = time.time()
        if details:
            event[kind[0].lower() + kind[1:] + "EventDetails"] = details
        self.events.append(event)
        return len(self.events)


@dataclass(slots=True)
class FakeStep:
    """`last` ends the execution with the step; otherwise it goes on."""

    token: str
    execution: FakeExecution
    state: str
    heartbeat_seconds: float | None
    timeout_seconds: float | None
    last: bool
    status: str = "waiting"  # waiting, succeeded, failed, timed_out, stopped
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    heartbeats: list[float] = field(default_factory=list)  # time.monotonic()
    started: float = field(default_factory=time.monotonic)
    event: int = 0  # the latest of this step's chain

    def enter(self, retry_of: "FakeStep | None") -> None:
        run, self.event = self.execution, retry_of.event if retry_of else 0
        if not run.events:
            self.event = run.add("ExecutionStarted", 0, input="{}")
        if not retry_of:
            self.event = run.add("TaskStateEntered", self.event)
            run.events[-1]["stateEnteredEventDetails"] = {"name": self.state, "input": "{}"}
        shown = f'{{"MessageBody":{{"TaskToken":"{self.token}"}}}}'
        self.event = run.add(
            "TaskScheduled", self.event, **RESOURCE, region="us-east-1", parameters=shown
        )
        self.event = run.add("TaskStarted", self.event, **RESOURCE)
        self.event = run.add("TaskSubmitted", self.event, **RESOURCE, output="{}")

    def definition(self) -> dict[str, Any]:
        times = {"HeartbeatSeconds": self.heartbeat_seconds, "TimeoutSeconds": self.timeout_seconds}
        said = {name: int(seconds) for name, seconds in times.items() if seconds}
        return {"Type": "Task", **said, "End": True}

    def tick(self) -> None:
        """End as `States.Timeout` if a clock has run out."""
        heard = self.heartbeats[-1] if self.heartbeats else self.started
        due = min(
            heard + (self.heartbeat_seconds or NEVER),
            self.started + (self.timeout_seconds or NEVER),
        )
        if self.status == "waiting" and time.monotonic() >= due:
            self.end("timed_out", error="States.Timeout")

    def end(self, status: str, **answer: str | None) -> None:
        event, execution_status, execution_event = ENDS[status]
        self.status = status
        self.output, self.error, self.cause = (answer.get(x) for x in ("output", "error", "cause"))
        said = {name: text for name, text in answer.items() if text is not None}
        self.event = self.execution.add(event, self.event, **RESOURCE, **said)
        if status == "succeeded" or not self.last:
            self.event = self.execution.add("TaskStateExited", self.event)
            self.execution.events[-1]["stateExitedEventDetails"] = {"name": self.state}
        if self.last:
            self.execution.status = execution_status
            self.event = self.execution.add(execution_event, self.event, **said)
