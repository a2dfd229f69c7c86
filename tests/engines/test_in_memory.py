"""The engine in memory does what every engine must do."""

import pytest

from approvals.engines.base import EngineConfig, Step
from approvals.engines.in_memory import InMemory
from approvals.tokens import TaskToken
from tests.contracts.engine_contract import EngineContract


class MemorySteps:
    def __init__(self) -> None:
        self.engine = InMemory(EngineConfig(kind="in_memory"))

    def create(self, heartbeat_seconds: float | None = None) -> tuple[TaskToken, Step]:
        execution = f"execution-{len(self.engine.steps)}"
        token = self.engine.create_step(execution, "Approve", heartbeat_seconds)
        return token, Step(execution, "Approve", token)

    def stop(self, step: Step) -> None:
        self.engine.stop_execution(step.execution_id)

    def answer(self, token: TaskToken) -> tuple[str, ...]:
        return self.engine.steps[token].answer


class TestInMemory(EngineContract):
    @pytest.fixture
    def steps(self) -> MemorySteps:
        return MemorySteps()

    @pytest.fixture
    def engine(self, steps: MemorySteps) -> InMemory:
        return steps.engine
