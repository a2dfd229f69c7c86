"""A fake Step Functions, and tasks whose steps wait in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from approvals.decisions.decide import decide
from approvals.models import ApprovalTask, Callback, Decision, Gate, Source, User
from approvals.states import Verdict
from tests.conftest import person
from tests.factories import ConnectionFactory, SourceFactory, task_for
from tests.fakes.executions import FakeStep, new_execution_arn
from tests.fakes.step_functions import FakeStepFunctions


@pytest.fixture
def fake() -> Iterator[FakeStepFunctions]:
    with FakeStepFunctions() as server:
        yield server


@pytest.fixture
def source(db: None, fake: FakeStepFunctions) -> Source:
    connection = ConnectionFactory(kind="step_functions", endpoint_url=fake.url)
    return SourceFactory(connection=connection)


@dataclass
class Waiting:
    """A task and the step in the fake that waits for it."""

    task: ApprovalTask
    fake: FakeStepFunctions
    token: str

    @property
    def step(self) -> FakeStep:
        return self.fake.step(self.token)

    def decide(self, user: User, verdict: Verdict = Verdict.APPROVE) -> Callback:
        decide(self.task.pk, person(user), verdict, comment="Because", via=Decision.Via.INBOX)
        return Callback.objects.get(task=self.task)

    def calls(self, action: str) -> int:
        return sum(call.action == action and call.token == self.token for call in self.fake.calls)


@pytest.fixture
def waiting(fake: FakeStepFunctions, gate: Gate, source: Source) -> Callable[..., Waiting]:
    def make(
        at: Gate = gate,
        *,
        heartbeat_seconds: float | None = 60,
        timeout_seconds: float | None = None,
        told: bool = True,
        **fields: Any,
    ) -> Waiting:
        """`told`: the message says which execution it is, so that its history can be read."""
        arn = new_execution_arn()
        token = fake.create_step(
            arn, heartbeat_seconds=heartbeat_seconds, timeout_seconds=timeout_seconds
        )
        if told:
            fields["context"] = {"Execution": {"Id": arn}, "State": {"Name": "Approve"}}
        if heartbeat_seconds:
            fields.setdefault("heartbeatSeconds", max(1, int(heartbeat_seconds)))
        return Waiting(task_for(at, source, taskToken=token, **fields), fake, token)

    return make
