"""One execution for each way in: it reaches the inbox, and hears what was decided there."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import BaseCommand
from pytest_django.live_server_helper import LiveServer

from approvals.callbacks.deliver import deliver
from approvals.decisions.decide import decide
from approvals.intake.accept import accept
from approvals.intake.sources.registry import POLLED, polled
from approvals.models import (
    ApprovalTask,
    Connection,
    Decision,
    Gate,
    JobKey,
    Source,
    SourceKey,
    User,
)
from approvals.people.eligibility import Person
from approvals.states import CallbackStatus, TaskStatus, Verdict
from demo import aws, env_file, ministack, servers
from demo.management.commands import demo_executions, demo_flows, demo_seed
from demo.way_inputs import WAYS
from tests.emulated_aws import until

# gate -> who decides
BY = {
    "supplier-payments": "mira",
    "price-changes": "mira",
    "credit-limits": "mira",
    "stock-write-offs": "mira",
    "campaigns": "mira",
    "access-requests": "tom",
    "infrastructure-changes": "tom",
}
SECRETS = {"DEMO_ALIBABA_KEY_ID": "LTAItests", "DEMO_ALIBABA_SECRET": "a secret of tests"}

Run = Callable[..., str]


@pytest.fixture
def life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A new life of every emulator, in place of the one before."""
    lives = ExitStack()

    def begin() -> None:
        lives.close()
        moto = aws.launch(tmp_path / "aws")
        others = {
            "DEMO_MINISTACK_URL": ministack.launch(tmp_path / "ministack"),
            "DEMO_ALIBABA_URL": servers.launch(
                "demo.alibaba",
                tmp_path / "alibaba",
                *("--queue", servers.ALIBABA_QUEUE),
                environment=SECRETS,
            ),
            "DEMO_HTTP_FLOWS_URL": servers.launch("demo.http_flows", tmp_path / "http"),
        }
        for service in (moto, *others.values()):
            lives.callback(service.stop)
        for service in (moto, *others.values()):
            service.wait_until_ready()
        urls = {name: service.endpoint_url for name, service in others.items()}
        for name, value in {**moto.environment, **urls, **SECRETS}.items():
            monkeypatch.setenv(name, value)

    yield begin
    lives.close()


@pytest.fixture
def run(
    transactional_db: None,
    live_server: LiveServer,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """A command of the demo; its output."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.SITE_URL = live_server.url
    monkeypatch.setattr(env_file, "SECRETS_FILE", tmp_path / "secrets.env")

    def run(command: type[BaseCommand], *arguments: str) -> str:
        out = StringIO()
        call_command(command(), *arguments, stdout=out)
        return out.getvalue()

    return run


def task_at(gate: str) -> ApprovalTask:
    """The one that waits there, once it is in; queues are read until then."""

    waiting = ApprovalTask.objects.pending().filter(gate__slug=gate)

    def look() -> ApprovalTask | None:
        if found := waiting.first():
            return found
        for source in Source.objects.filter(kind__in=POLLED).select_related("connection"):
            queue = polled(source)
            if items := queue.receive():
                accept(source, [item.body for item in items])
                queue.forget(items)
        return None

    return until(look, 30)


def statuses(run: Run) -> dict[str, str]:
    """The newest execution's status, by workflow and engine."""
    lines = [line.split("  ") for line in run(demo_executions.Command).splitlines()[1:]]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    return {row[1]: row[3] for row in reversed(cells)}


def rows() -> tuple[int, ...]:
    return tuple(m.objects.count() for m in (Connection, Source, SourceKey, JobKey, Gate))


def test_each_way_in_reaches_the_inbox_and_hears_what_was_decided(
    run: Run, life: Callable[[], None]
) -> None:
    life()
    run(demo_seed.Command)
    assert "8 executions started" in run(demo_flows.Command)
    tasks = {gate: task_at(gate) for gate in BY}
    assert all(task.title and task.workflow for task in tasks.values())
    assert len({task.source_id for task in tasks.values()}) == 7
    job = task_at("nightly-reports")
    assert job.gate.kind == Gate.Kind.JOB

    before, kept = rows(), env_file.kept("DEMO_RUNNER_KEY")
    assert kept.startswith("csr_")
    assert "0 executions started, 0 tasks" in run(demo_seed.Command)
    assert "0 executions started" in run(demo_flows.Command)
    assert (rows(), env_file.kept("DEMO_RUNNER_KEY")) == (before, kept)

    for gate, username in BY.items():
        who = Person(User.objects.get(username=username))
        decided = decide(tasks[gate].pk, who, Verdict.APPROVE, via=Decision.Via.INBOX)
        assert deliver(decided.task.callback.pk) == CallbackStatus.DELIVERED, gate
    workflows = {task.workflow for task in tasks.values()}
    until(lambda: {statuses(run)[name] for name in workflows} == {"SUCCEEDED"}, 20)


def test_a_new_life_of_the_emulators_leaves_no_dead_task_behind(
    run: Run, life: Callable[[], None]
) -> None:
    life()
    run(demo_seed.Command)
    run(demo_flows.Command)
    old = [task_at(gate).pk for gate in BY]
    life()
    run(demo_seed.Command)
    ended = ApprovalTask.objects.filter(pk__in=old)
    assert set(ended.values_list("status", flat=True)) == {TaskStatus.CANCELLED}
    assert "8 executions started" in run(demo_flows.Command)
    for gate in BY:
        assert task_at(gate).pk not in old


def test_one_more_can_be_started_of_any_way(run: Run, life: Callable[[], None]) -> None:
    life()
    run(demo_seed.Command)
    run(demo_flows.Command)
    before = len(run(demo_executions.Command).splitlines())
    for way in WAYS:
        run(demo_executions.Command, "--way", way)
    assert len(run(demo_executions.Command).splitlines()) == before + len(WAYS)
