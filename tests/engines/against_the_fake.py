"""What tests of the Step Functions engine share: the fake, and an engine that speaks to it."""

from collections.abc import Iterator

import pytest
from botocore.config import Config

from approvals.engines import step_functions
from approvals.engines.base import EngineConfig, Step
from approvals.engines.step_functions import StepFunctions
from approvals.tokens import TaskToken
from tests.fakes.step_functions import FakeStepFunctions


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that exist, no settings of the person who runs this, short time-outs."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    short = step_functions.CLIENT.merge(Config(connect_timeout=1, read_timeout=1))
    monkeypatch.setattr(step_functions, "CLIENT", short)


@pytest.fixture
def fake() -> Iterator[FakeStepFunctions]:
    with FakeStepFunctions() as running:
        yield running


@pytest.fixture
def engine(fake: FakeStepFunctions) -> StepFunctions:
    return engine_at(fake.url)


def engine_at(url: str) -> StepFunctions:
    return StepFunctions(EngineConfig("step_functions", region="us-east-1", endpoint_url=url))


class FakeSteps:
    def __init__(self, fake: FakeStepFunctions) -> None:
        self.fake = fake

    def create(self, heartbeat_seconds: float | None = None) -> tuple[TaskToken, Step]:
        token = self.fake.create_step(heartbeat_seconds=heartbeat_seconds)
        arn = self.fake.step(token).execution.arn
        return TaskToken(token), Step(arn, "Approve", TaskToken(token))

    def stop(self, step: Step) -> None:
        self.fake.stop_execution(step.execution_id)

    def answer(self, token: TaskToken) -> tuple[str, ...]:
        step = self.fake.step(token.reveal())
        return tuple(part for part in (step.output, step.error, step.cause) if part is not None)
