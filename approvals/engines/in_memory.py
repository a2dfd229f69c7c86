"""CALLBACK OUT, the far end, in this process's memory: for development and tests only."""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from approvals.engines.base import Engine, EngineConfig, Fate, Limits, Step
from approvals.errors import CallbackRefused, TaskGone
from approvals.findings import Finding, Level
from approvals.tokens import TaskToken


@dataclass(slots=True)
class MemoryStep:
    """A step that waits, or how it ended."""

    execution_id: str
    state: str
    heartbeat_seconds: float | None
    status: str = "waiting"  # waiting, succeeded, failed, timed_out, stopped
    answer: tuple[str, ...] = ()  # (output,) or (error, cause)
    heard_at: list[float] = field(default_factory=lambda: [time.monotonic()])


class InMemory(Engine):
    """Steps in a dictionary. The registry hands out one engine per configuration."""

    limits = Limits(output=262_144, error=256, cause=32_768)

    def __init__(self, config: EngineConfig) -> None:
        self.steps: dict[TaskToken, MemoryStep] = {}
        self._lock = threading.RLock()

    def create_step(
        self, execution_id: str, state: str = "", heartbeat_seconds: float | None = None
    ) -> TaskToken:
        token = TaskToken(secrets.token_urlsafe(48))
        with self._lock:
            self.steps[token] = MemoryStep(execution_id, state, heartbeat_seconds)
        return token

    def stop_execution(self, execution_id: str) -> None:
        with self._lock:
            for step in self.steps.values():
                if step.execution_id == execution_id and self._still_waits(step):
                    step.status = "stopped"

    def succeed(self, token: TaskToken, output: str) -> None:
        with self._lock:
            step = self._waiting(token)
            check_size(output, self.limits.output)
            try:
                json.loads(output)
            except ValueError:
                raise CallbackRefused("The output is not JSON.", code="InvalidOutput") from None
            step.status, step.answer = "succeeded", (output,)

    def fail(self, token: TaskToken, error: str, cause: str) -> None:
        with self._lock:
            step = self._waiting(token)
            check_size(error, self.limits.error)
            check_size(cause, self.limits.cause)
            step.status, step.answer = "failed", (error, cause)

    def heartbeat(self, step: Step) -> None:
        assert step.token
        with self._lock:
            self._waiting(step.token).heard_at.append(time.monotonic())

    def find_out(self, step: Step, decision_id: str) -> Fate:
        with self._lock:
            alike = [
                one
                for token, one in self.steps.items()
                if one.execution_id == step.execution_id
                and (token == step.token if step.token else step.state in ("", one.state))
            ]
            if decision_id and any(decision_id in part for one in alike for part in one.answer):
                return Fate.OURS
            if any(self._still_waits(one) for one in alike):
                return Fate.WAITING
        return Fate.OTHERWISE if alike else Fate.UNKNOWN

    def examine(self) -> Iterator[Finding]:
        yield Finding(
            Level.WARNING,
            f"Steps live in the memory of one process; this one knows {len(self.steps)}.",
            "Use it for development alone.",
        )

    def _waiting(self, token: TaskToken) -> MemoryStep:
        if token not in self.steps:
            raise CallbackRefused("There is no such token.", code="InvalidToken")
        if not self._still_waits(self.steps[token]):
            raise TaskGone("The step no longer waits.", code="TaskTimedOut")
        return self.steps[token]

    def _still_waits(self, step: MemoryStep) -> bool:
        due = step.heard_at[-1] + (step.heartbeat_seconds or float("inf"))
        if step.status == "waiting" and time.monotonic() > due:
            step.status = "timed_out"
        return step.status == "waiting"


def check_size(text: str, limit: int) -> None:
    if len(text.encode()) > limit:
        raise CallbackRefused("The answer is too long.", code="ValidationException")
