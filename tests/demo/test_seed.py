"""The seed, against the emulator: any number of times, and across the emulator's lives."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.contrib.auth import authenticate, password_validation
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand

from approvals.callbacks import heartbeats
from approvals.decisions.decide import decide
from approvals.decisions.expire import WORKFLOW_ENDED
from approvals.models import (
    ApprovalTask,
    Connection,
    Decision,
    Gate,
    Heartbeat,
    QuarantinedMessage,
    Source,
    User,
)
from approvals.people.eligibility import Person
from approvals.states import TaskStatus, Verdict
from demo import inputs
from demo.aws_resources import MACHINES, Execution
from demo.gates import GATES
from demo.management.commands import demo_executions, demo_seed
from demo.people import PEOPLE
from demo.policy_gates import POLICY_GATES
from demo.way_inputs import WAYS
from tests.emulated_aws import emulated_aws, take_in

Run = Callable[..., str]


@pytest.fixture
def run(db: None, settings: Any) -> Run:
    """A command of the demo; its output."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

    def run(command: type[BaseCommand], *arguments: str) -> str:
        out = StringIO()
        call_command(command(), *arguments, stdout=out)
        return out.getvalue()

    return run


def counts() -> dict[str, int]:
    models = (User, Gate, Connection, Source, ApprovalTask, QuarantinedMessage)
    return {model.__name__: model.objects.count() for model in models}


def take_all_in() -> None:
    source = Source.objects.select_related("connection").get()
    while take_in(source):
        pass


def test_a_second_seed_changes_nothing(run: Run, tmp_path: Path) -> None:
    with emulated_aws(tmp_path / "aws") as aws:
        run(demo_seed.Command)
        take_all_in()
        first = counts()
        assert first == {
            "User": len(PEOPLE),
            "Gate": len(GATES) + len(POLICY_GATES),
            "Connection": 1,
            "Source": 1,
            "ApprovalTask": 10,
            "QuarantinedMessage": 1,
        }
        User.objects.filter(username="mira").update(first_name="Miriam")
        Gate.objects.filter(slug="production-deploys").update(quorum=3)

        assert "0 executions started, 0 tasks" in run(demo_seed.Command)
        take_all_in()
        assert counts() == first
        assert User.objects.get(username="mira").first_name == "Miriam"
        assert Gate.objects.get(slug="production-deploys").quorum == 3

        listed = run(demo_executions.Command, "--start", "2").splitlines()
        assert len(listed) == 1 + 11 + 2
        assert len(aws.executions()) == 13


def test_a_new_life_of_the_emulator_retires_the_old_tasks_and_brings_new_ones(
    run: Run, tmp_path: Path
) -> None:
    with emulated_aws(tmp_path / "first"):
        run(demo_seed.Command)
        take_all_in()
        old = list(ApprovalTask.objects.values_list("pk", flat=True))
        # Decided, and the emulator goes away before it hears of it.
        refund = ApprovalTask.objects.filter(gate__slug="order-refunds").first()
        assert refund
        mira = Person(User.objects.get(username="mira"))
        decide(refund.pk, mira, Verdict.APPROVE, via=Decision.Via.INBOX)

    with emulated_aws(tmp_path / "second") as aws:
        assert "10 executions started, 10 tasks of ended" in run(demo_seed.Command)
        assert Connection.objects.get().endpoint_url == aws.endpoint_url
        take_all_in()
        retired = ApprovalTask.objects.filter(pk__in=old).exclude(pk=refund.pk)
        assert set(retired.values_list("status", "settled_reason")) == {
            (TaskStatus.CANCELLED, WORKFLOW_ENDED)
        }
        refund.refresh_from_db(fields=["status"])
        assert refund.status == TaskStatus.APPROVED
        assert not Heartbeat.objects.filter(task__in=old).exists()
        assert ApprovalTask.objects.pending().exclude(pk__in=old).count() == 10
        heartbeats.send_due(on_gone=pytest.fail)
        assert not Heartbeat.objects.exclude(error="").exists()
    assert QuarantinedMessage.objects.count() == 1


def test_nothing_is_made_in_aws_itself(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert "nothing was made there" in run(demo_seed.Command)
    with pytest.raises(CommandError, match="--role-arn"):
        run(demo_seed.Command, "--create-in-aws")
    assert not Source.objects.exists()
    assert Gate.objects.count() == len(GATES) + len(POLICY_GATES)


def test_people_of_an_installation_get_no_strangers_with_known_passwords(run: Run) -> None:
    User.objects.create_user("admin", "root@corp.example", "a long enough secret")
    with pytest.raises(CommandError, match="people of its own"):
        run(demo_seed.Command)
    assert User.objects.count() == 1


def test_without_the_demo_its_commands_say_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(CommandError, match="The demo isn't running"):
        run(demo_executions.Command)
    for number in ("-1", "x", "501", "²"):
        with pytest.raises(CommandError, match="a number from 0 to 500"):
            run(demo_executions.Command, "--start", number)
    with pytest.raises(CommandError, match="could not be reached, or refused"):
        run(demo_seed.Command)


def test_everybody_can_sign_in_as_printed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    run(demo_seed.Command)
    for username, password, can, *_ in PEOPLE:
        user = authenticate(None, username=username, password=password)
        assert user, username
        assert can
        password_validation.validate_password(password, user)
    assert [p.username for p in PEOPLE if p.is_admin] == ["admin"]
    assert User.objects.get(username="admin").is_superuser
    assert not User.objects.exclude(username="admin").filter(is_staff=True).exists()


@pytest.mark.parametrize("kind", [*inputs.KINDS, *WAYS.values()])
def test_inputs_name_a_workflow_and_stay_small(kind: Callable[[Random], inputs.Start]) -> None:
    for number in range(50):
        start = kind(Random(number))
        assert list(MACHINES.rglob(f"{start.machine}.*")) or start.machine == "dns-change"
        assert len(json.dumps(start.data)) < 4_000
        assert len(start.name) <= 70
        assert start.data.get("amount", 501) > 500


def test_executions_are_listed_in_aligned_columns() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    long_ago = now - timedelta(hours=2, minutes=5)
    lines = demo_executions.table(
        [
            Execution("", "refund-1", "order-refunds", "RUNNING", now, None, "Ask", "", "moto"),
            Execution("", "r", "m", "FAILED", long_ago, None, "", "States.Timeout: " + "x" * 99),
            Execution("", "r", "m", "SUCCEEDED", now, now + timedelta(seconds=75), "", '{"a":\n1}'),
        ],
        now,
    )
    assert lines[1] == "refund-1   order-refunds  moto    RUNNING    0 s         Ask"
    assert "2 h 05 min" in lines[2]
    assert lines[2].endswith("x…")
    assert lines[3].endswith('{"a": 1}')
    assert "1 min 15 s" in lines[3]
    assert lines[0].index("status") == lines[1].index("RUNNING") == lines[2].index("FAILED")
