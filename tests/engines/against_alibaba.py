"""What tests of CloudFlow share: the local stand-in, and an engine that speaks to it by the SDK."""

from collections.abc import Iterator
from itertools import count

import pytest

from approvals.engines import cloudflow
from approvals.engines.base import EngineConfig, Step
from approvals.engines.cloudflow import CloudFlow
from approvals.tokens import TaskToken, encrypt
from demo.alibaba.flows import State, flow_of
from demo.alibaba.server import Alibaba

_numbers = count(1)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the person who runs this, short time-outs."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cloudflow, "READ_SECONDS", 1.5)


@pytest.fixture
def alibaba() -> Iterator[Alibaba]:
    with Alibaba() as account:
        account.cloudflow.add_flow(flow_of(State("Approve")))
        account.cloudflow.add_flow(flow_of(State("Approve"), State("Sign"), name="contracts"))
        yield account


@pytest.fixture
def engine(alibaba: Alibaba) -> CloudFlow:
    return engine_at(alibaba)


def config_of(alibaba: Alibaba, secret: str = "") -> EngineConfig:
    return EngineConfig(
        "cloudflow",
        region="cn-hangzhou",
        endpoint_url=alibaba.url,
        key_id=alibaba.key.id,
        secret=encrypt(secret or alibaba.key.secret),
    )


def engine_at(alibaba: Alibaba, secret: str = "") -> CloudFlow:
    return CloudFlow(config_of(alibaba, secret))


class FlowSteps:
    def __init__(self, alibaba: Alibaba) -> None:
        self.alibaba = alibaba

    def create(
        self, heartbeat_seconds: float | None = None, flow: str = "refunds"
    ) -> tuple[TaskToken, Step]:
        run = self.alibaba.cloudflow.start(flow, f"run-{next(_numbers)}")
        token = TaskToken(self.alibaba.cloudflow.tokens(run)[-1])
        return token, Step(f"flow/{flow}/execution/{run.name}", "Approve", token)

    def stop(self, step: Step) -> None:
        _, flow, _, name = step.execution_id.split("/")
        self.alibaba.cloudflow.stop(flow, name)

    def answer(self, token: TaskToken) -> tuple[str, ...]:
        return self.alibaba.cloudflow.answer(token.reveal())
