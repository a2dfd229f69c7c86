"""docs/gates.md does not fall behind: each field once, and its worked example does what it says."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import models
from django.db.models.functions import Now

from approvals.decisions.decide import decide
from approvals.decisions.undo import make_final_due
from approvals.gates.keys import Key, keys_of
from approvals.jobs import tell_people
from approvals.models import ApprovalTask, Calendar, Decision, Gate, Stage, User
from approvals.models.gate import SILENCE_APPROVES
from approvals.states import TaskStatus, Verdict
from tests.conftest import person
from tests.factories import UserFactory, task_for

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "gates.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ", PAGE, re.MULTILINE)


def fields(*of: type[models.Model]) -> dict[str, Key]:
    return {key.name: key for model in of for key in keys_of(model).values()}


def written(key: Key) -> str:
    value = key.write(key.default)
    if value in (None, "", [], {}):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_every_field_of_a_gate_a_stage_and_a_calendar_is_explained_once() -> None:
    said = [name for name, _, _ in ROWS if name != "stages"]
    assert sorted(said) == sorted(fields(Stage, Calendar, Gate))


def test_it_says_what_the_administration_calls_each_and_its_default() -> None:
    known = fields(Stage, Calendar, Gate)
    for name, label, default in ROWS:
        if name in known:
            assert label == str(known[name].field.verbose_name)
            assert name == "hours" or default == written(known[name])  # hours are said in words


def test_the_sentence_that_lets_silence_approve_is_the_one_to_write() -> None:
    assert f"`{SILENCE_APPROVES}`" in PAGE


def test_what_teams_ask_for_names_fields_that_are_there() -> None:
    table = PAGE.partition("## What teams ask for")[2].partition("\n## ")[0]
    cells = [row.split("|")[-2] for row in table.splitlines() if row.startswith("| ")]
    named = {key for cell in cells for key in re.findall(r"`(\w+)[:`]", cell)}
    assert len(named) > 20
    assert named <= {*fields(Gate), "stages", "reviewers"}


@pytest.fixture
def two_stages(tmp_path: Path, db: None) -> Gate:
    """The worked example, applied as the page says, twice."""
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    file = tmp_path / "gates.yaml"
    file.write_text(text)
    call_command("gates", "apply", str(file), "--create-teams")
    call_command("gates", "apply", str(file), "--check")  # ends with 1 if something would change
    return Gate.objects.get(slug="new-suppliers")


def approves(task: ApprovalTask, user: User, limit: int) -> ApprovalTask:
    form = {"limit": limit}
    decide(task.pk, person(user), Verdict.APPROVE, via=Decision.Via.INBOX, form=form)
    return ApprovalTask.objects.get(pk=task.pk)


def test_the_worked_example_goes_as_the_page_tells(
    two_stages: Gate, settings: Any, mailoutbox: list[Any]
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    pay, asks = (UserFactory(username=one, groups=["Payments"]) for one in ("pay", "asks"))
    sec, law = (UserFactory(username=one.lower(), groups=[one]) for one in ("Security", "Legal"))

    def mailed() -> set[str]:
        mailoutbox.clear()
        tell_people()
        return {address for mail in mailoutbox for address in mail.to}

    task = task_for(two_stages, requested_by="asks", input={"proposedLimit": 5_000})
    assert mailed() == {pay.email}
    assert "Open and decide" in mailoutbox[0].body
    assert set(task.timers.values_list("kind", flat=True)) == {
        *("remind", "escalate", "running_out", "overdue")
    }
    task = approves(task, pay, 5_000)
    assert (task.stage, task.status) == (1, TaskStatus.PENDING)
    assert mailed() == {sec.email, law.email}
    assert approves(task, sec, 5_000).settles_at is None
    assert approves(task, law, 4_000).settles_at  # it can be undone yet
    assert mailed() == set()
    ApprovalTask.objects.update(settles_at=Now())
    make_final_due()
    task.refresh_from_db()
    assert task.status == TaskStatus.APPROVED
    assert '"form":{"limit":4000}' in task.callback.output
    assert mailed() == {pay.email, sec.email, asks.email}
