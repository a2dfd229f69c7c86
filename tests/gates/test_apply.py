"""`manage.py gates`: gates live in version control, and become what a file says, on the record."""

import io
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import transaction

from approvals.admin import on_the_record
from approvals.decisions.decide import decide
from approvals.models import AuditEvent, Calendar, Decision, Gate, Stage, User
from approvals.models.gate import SILENCE_APPROVES
from approvals.states import Verdict
from tests.concurrency import at_once
from tests.conftest import TEAM, person
from tests.factories import UserFactory, task_for

WRITTEN = f"""\
calendars:
  Vienna:
    timeZone: Europe/Vienna
    hours:
      mon:
        - 09:00-12:00
        - 13:00-17:00
    holidays: AT
    closed:
      - '2026-12-24'
gates:
  deploy:
    name: Deploy
    groups:
      - {TEAM}
    users:
      - charlie
    quorum: 2
    veto: false
    stages:
      - name: Security
        groups:
          - Platform
        needs: each
      - name: Board
        users:
          - alice
    excludeRequester: true
    choices:
      - key: later
        label: Approve for tonight
        output:
          at: '22:00'
    linkAlone: 30m
    calendar: Vienna
    remindAfter: 1h 30m
    warnBefore: null
    decideWithin: 2d
    atDeadline: approve
    silence: {SILENCE_APPROVES}
    timeout: 3d
"""


def gates(*args: str) -> str:
    out = io.StringIO()
    call_command("gates", *args, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path, alice: User, bob: User, charlie: User) -> Path:
    path = tmp_path / "gates.yaml"
    path.write_text(WRITTEN)
    return path


def refused(file: Path, text: str, *more: str) -> str:
    file.write_text(text)
    before = gates("export"), AuditEvent.objects.count(), Group.objects.count()
    with pytest.raises(CommandError) as error:
        gates("apply", str(file), *more)
    assert (gates("export"), AuditEvent.objects.count(), Group.objects.count()) == before
    return str(error.value)


def test_an_applied_file_is_exported_as_the_same_text(file):
    gates("apply", str(file))
    assert gates("export") == WRITTEN
    deploy = Gate.objects.get(slug="deploy")
    assert (deploy.remind_after_minutes, deploy.timeout_seconds) == (90, 3 * 86_400)
    assert [stage.name for stage in deploy.stages.all()] == ["Security", "Board"]
    assert Calendar.objects.get().hours == {"mon": [["09:00", "12:00"], ["13:00", "17:00"]]}
    Gate.objects.all().delete()
    Calendar.objects.all().delete()
    gates("apply", str(file))
    assert gates("export") == WRITTEN


def test_applying_it_twice_changes_nothing(file):
    gates("apply", str(file))
    before = AuditEvent.objects.count()
    assert "Everything is as the file says." in gates("apply", str(file))
    gates("apply", str(file), "--check")
    assert AuditEvent.objects.count() == before


def test_what_changes_is_printed_and_on_the_record(file):
    gates("apply", str(file))
    file.write_text(WRITTEN.replace("quorum: 2", "quorum: 3").replace("    linkAlone: 30m\n", ""))
    said = gates("apply", str(file))
    assert "gate deploy changes" in said
    assert "quorum: 2 → 3" in said
    assert "linkAlone: 30m → (default)" in said
    assert "can't be passed when a reviewer is the requester" in said
    line = AuditEvent.objects.latest("id")
    assert line.actor is None
    assert line.data == {
        "model": "gate",
        "object": "deploy",
        "change": "changed",
        "changes": {"quorum": [2, 3], "linkAlone": ["30m", None]},
        "by": "manage.py gates apply",
        "file": "gates.yaml",
    }


def test_check_says_what_would_change_and_changes_nothing(file):
    assert "would change" in refused(file, WRITTEN, "--check")
    assert not Gate.objects.exists()


def test_gates_that_the_file_does_not_name_stay(file, gate):
    gates("apply", str(file))
    assert Gate.objects.filter(slug="refunds").exists()
    assert "refunds" not in gates("export", "deploy")
    with pytest.raises(CommandError, match="There is no gate “nothing”"):
        gates("export", "nothing")


def test_who_is_missing_is_named(file):
    text = WRITTEN.replace("- Platform", "- Platfrom").replace("- alice", "- alise")
    said = refused(file, text)
    assert "There is no team “Platfrom”. Did you mean “Platform”?" in said
    assert "There is no person “alise”. Did you mean “alice”?" in said


def test_teams_are_made_where_asked_for(file):
    file.write_text(WRITTEN.replace("- Platform", "- Security"))
    assert "group Security is new" in gates("apply", str(file), "--create-teams")
    assert Group.objects.filter(name="Security").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("needs: each", "needs: each\n        groups: []", "is there twice"),
        ("        groups:\n          - Platform\n", "", "Name the teams of which each"),
        (f"    silence: {SILENCE_APPROVES}\n", "", "gates.deploy.silence: To have silence"),
        ("linkAlone: 30m", "linkAlone: 30m\n    mails: false", "no links without mails"),
        ("linkAlone: 30m", "linkAlone: 2d", "gates.deploy.linkAlone:"),
        ("remindAfter: 1h 30m", "remindEvery: 1h", "Say after how long the first reminder"),
        ("timeout: 3d", "escalateAfter: 1h", "gates.deploy.escalateTo: Name the teams"),
        ("calendar: Vienna", "calendar: Graz", "There is no calendar “Graz”"),
        ("name: Board", "name: security", "Two stages are called “security”"),
        ("quorum: 2", "quorum: 0", "gates.deploy.quorum:"),
        ("name: Deploy", "kind: job\n    name: Deploy", "An outside job"),
        ("Europe/Vienna", "Europe/Wien", "calendars.Vienna.timeZone: That is not a time zone."),
        ("  deploy:", "  De ploy:", "gates.De ploy"),
    ],
)
def test_what_makes_no_sense_is_refused_whole(file, old, new, said):
    assert old in WRITTEN
    assert said in refused(file, WRITTEN.replace(old, new))


def test_stages_keep_their_positions_while_tasks_wait_at_them(file, alice):
    gates("apply", str(file))
    deploy = Gate.objects.get(slug="deploy")
    task = task_for(deploy, requestedBy="dora")
    for user in (alice, UserFactory(username="carl", groups=[TEAM])):
        decide(task.pk, person(user), Verdict.APPROVE, choice="later", via=Decision.Via.BULK)
    task.refresh_from_db()
    assert task.stage == 1
    said = refused(file, WRITTEN.replace("Security", "Safety"))
    assert "1 task waits at stage “Security”" in said
    # One more behind them moves nobody.
    file.write_text(
        WRITTEN.replace("    excludeR", "      - name: Last\n        users: [bob]\n    excludeR")
    )
    gates("apply", str(file))
    assert list(deploy.stages.values_list("position", "name")) == [
        (1, "Security"), (2, "Board"), (3, "Last"),
    ]  # fmt: skip


def test_stages_change_places(file):
    gates("apply", str(file))
    ids = dict(Stage.objects.values_list("name", "pk"))
    file.write_text(
        WRITTEN.replace("Security", "Xx").replace("Board", "Security").replace("Xx", "Board")
    )
    gates("apply", str(file))
    assert list(Stage.objects.values_list("name", flat=True)) == ["Board", "Security"]
    assert dict(Stage.objects.values_list("name", "pk")) == ids


def test_the_order_of_a_forms_fields_is_applied_and_true_is_not_one(file):
    form = "    form: {type: object, properties: {%s}}\n    excludeR"
    first, second = "a: {type: string}", "b: {title: B, minimum: 1}"
    for asked in (f"{first}, {second}", f"{second}, {first}"):
        file.write_text(WRITTEN.replace("    excludeR", form % asked))
        assert "form:" in gates("apply", str(file))
        assert "Everything is" in gates("apply", str(file))
    assert list(Gate.objects.get().form["properties"]) == ["b", "a"]
    for at in ("1", "true", "1.5"):
        file.write_text(WRITTEN.replace("'22:00'", at))
        assert "choices:" in gates("apply", str(file))


@pytest.mark.parametrize("text", ['"a\\0"', '"\\ud800"'])
@pytest.mark.parametrize("old", ["Deploy", "charlie", "Platform", "'22:00'"])
def test_what_no_database_keeps_is_refused(file, text, old):
    said = refused(file, WRITTEN.replace(f" {old}\n", f" {text}\n"))
    assert "which can't be kept" in said


@pytest.mark.django_db(transaction=True)
def test_two_who_apply_at_once_take_turns(tmp_path):
    """Otherwise the second finds what was not there when it looked."""
    files = []
    for number, order in enumerate([("a", "b"), ("b", "a")]):
        files.append(tmp_path / f"{number}.yaml")
        zones = "".join(f"  {name}: {{timeZone: Etc/GMT+{number}}}\n" for name in order)
        teams = f"{{name: N{number}, calendar: a, groups: [New], stages: [{{name: S}}]}}"
        files[-1].write_text(f"calendars:\n{zones}gates:\n  new: {teams}\n")
    for _ in range(3):
        told = at_once(
            *[partial(gates, "apply", str(file), "--create-teams") for file in files * 2]
        )
        assert all(isinstance(one, str) for one in told), told
    assert Gate.objects.count() == Stage.objects.count() == 1
    assert Group.objects.filter(name="New").count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_applies_while_an_administrator_saves_a_gate_comes_after_them(tmp_path):
    file = tmp_path / "gates.yaml"
    file.write_text("gates:\n  deploy: {name: Deploy, quorum: 3}\n")
    gate = Gate.objects.create(slug="deploy", name="Deploy")
    in_hand = threading.Event()

    @transaction.atomic
    def save() -> None:
        on_the_record._locked(gate)
        in_hand.set()
        time.sleep(0.3)
        Gate.objects.filter(pk=gate.pk).update(quorum=2)

    def apply() -> str:
        in_hand.wait(timeout=10)
        return gates("apply", str(file))

    saved, told = at_once(save, apply)

    assert saved is None
    assert isinstance(told, str), told
    gate.refresh_from_db()
    assert gate.quorum == 3


def test_an_output_that_no_failure_can_carry_is_pointed_out(file):
    said = "The output of “Approve for tonight” goes nowhere"
    text = WRITTEN.replace("for tonight\n", "for tonight\n        verdict: reject\n")
    file.write_text(text)
    assert said in gates("apply", str(file))
    file.write_text(text.replace("    linkAlone", "    onReject: success\n    linkAlone"))
    assert said not in gates("apply", str(file))


def test_a_file_that_is_not_there_is_said_to_be_so(db, tmp_path):
    with pytest.raises(CommandError, match="can't be read"):
        gates("apply", str(tmp_path / "nothing.yaml"))
