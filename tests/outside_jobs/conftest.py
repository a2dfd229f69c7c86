"""A gate for outside jobs, a runner of its own, and jobs whose steps wait in the memory engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from approvals.engines.in_memory import InMemory, MemoryStep
from approvals.engines.registry import engine_for
from approvals.models import ApprovalTask, Callback, Gate, JobKey, OutsideJob, Source, User
from approvals.outside_jobs import keys
from approvals.tokens import TaskToken
from tests.conftest import TEAM
from tests.factories import ConnectionFactory, GateFactory, SourceFactory, task_for


@pytest.fixture
def source(db: None) -> Source:
    """Steps of its own: the engine in memory is shared by all who have the same configuration."""
    connection = ConnectionFactory(kind="in_memory")
    connection.endpoint_url = f"memory://{connection.pk}-{id(connection)}"
    connection.save()
    return SourceFactory(connection=connection)


@pytest.fixture
def job_gate(db: None) -> Gate:
    return GateFactory(slug="spark", name="Spark jobs", kind=Gate.Kind.JOB, groups=[TEAM])


@dataclass
class Job:
    """A task that waits for a job, and the step that waits for the answer."""

    task: ApprovalTask
    token: TaskToken
    engine: InMemory

    @property
    def step(self) -> MemoryStep:
        return self.engine.steps[self.token]

    @property
    def row(self) -> OutsideJob:
        return OutsideJob.objects.get(task=self.task)

    @property
    def callback(self) -> Callback:
        return Callback.objects.get(task=self.task)

    @property
    def status(self) -> str:
        return ApprovalTask.objects.values_list("status", flat=True).get(pk=self.task.pk)


@pytest.fixture
def job(job_gate: Gate, source: Source) -> Callable[..., Job]:
    engine = engine_for(source.connection.config)
    assert isinstance(engine, InMemory)

    def make(
        at: Gate | None = None, *, heartbeat_seconds: float | None = None, **fields: Any
    ) -> Job:
        execution = f"execution-{len(engine.steps)}"
        token = engine.create_step(execution, "Run", heartbeat_seconds)
        fields["context"] = {"Execution": {"Id": execution}, "State": {"Name": "Run"}}
        if heartbeat_seconds:
            fields.setdefault("heartbeatSeconds", max(1, int(heartbeat_seconds)))
        task = task_for(at or job_gate, source, taskToken=token.reveal(), **fields)
        return Job(task, token, engine)

    return make


@pytest.fixture
def runner(job_gate: Gate, ada: User) -> keys.Issued:
    return keys.issue_runner_key(job_gate, "cluster-1", ada)


@pytest.fixture
def key_of(alice: User) -> Callable[[Job], JobKey]:
    def issue(job: Job) -> JobKey:
        return keys.issue_job_key(job.task, "by a test").key

    return issue
