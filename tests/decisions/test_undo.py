"""Taking a decision back while its gate allows it: the workflow hears of it once, or not at all."""

import datetime as dt
import signal
import subprocess
import sys
import time

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from approvals.decisions.decide import decide
from approvals.decisions.undo import make_final_due, undo
from approvals.errors import AlreadySettled, CannotDecide
from approvals.models import ApprovalTask, AuditEvent, Callback, Decision, Gate, Stage, Timer
from approvals.states import TaskStatus, Verdict
from approvals.timers import fire
from tests.concurrency import at_once
from tests.conftest import OTHER_TEAM, TEAM, person
from tests.factories import ConnectionFactory, GateFactory, UserFactory, task_for
from tests.processes.conftest import environment, start, worker  # noqa: F401 - fixtures
from tests.processes.test_workers import NO_BROKER, wait_until

INBOX = Decision.Via.INBOX


@pytest.fixture
def patient(db: None) -> Gate:
    """A decision there can be undone for half a minute."""
    return GateFactory(groups=[TEAM], undo_seconds=30)


def approve(task: ApprovalTask, user: object) -> ApprovalTask:
    return decide(task.pk, person(user), Verdict.APPROVE, via=INBOX).task  # type: ignore[arg-type]


def let_time_pass(task: ApprovalTask) -> None:
    ApprovalTask.objects.filter(pk=task.pk).update(settles_at=Now())


def test_a_decision_is_held_and_then_final(patient, alice):
    task = approve(task_for(patient), alice)
    assert task.is_pending
    assert (task.settles_at - timezone.now()).total_seconds() == pytest.approx(30, abs=5)
    assert not Callback.objects.exists()
    assert make_final_due() == 0

    let_time_pass(task)
    assert make_final_due() == 1
    assert make_final_due() == 0

    task.refresh_from_db()
    assert (task.status, task.settles_at) == (TaskStatus.APPROVED, None)
    assert Callback.objects.filter(task=task).count() == 1


def test_who_undoes_may_decide_anew_and_otherwise(patient, alice):
    task = approve(task_for(patient), alice)

    undo(task.pk, alice)

    task.refresh_from_db()
    assert (task.status, task.settles_at, task.approvals) == (TaskStatus.PENDING, None, 0)
    decide(task.pk, person(alice), Verdict.REJECT, comment="On second thought", via=INBOX)
    let_time_pass(task)
    make_final_due()
    task.refresh_from_db()
    assert task.status == TaskStatus.REJECTED
    actions = AuditEvent.objects.filter(task=task).values_list("action", flat=True)
    assert list(actions) == ["received", "approved", "undone", "rejected", "settled"]


def test_others_can_neither_undo_it_nor_decide_meanwhile(patient, alice, bob):
    task = approve(task_for(patient), alice)
    with pytest.raises(CannotDecide, match="nothing here that you can undo"):
        undo(task.pk, bob)
    with pytest.raises(AlreadySettled, match="Alice has just approved this, and can still undo"):
        approve(task, bob)


def test_after_that_it_is_too_late(patient, alice):
    task = approve(task_for(patient), alice)
    let_time_pass(task)
    make_final_due()
    with pytest.raises(AlreadySettled, match="Too late to undo: Alice has already approved"):
        undo(task.pk, alice)


def test_only_what_settles_is_held_and_a_stage_that_passed_stays_passed(alice, charlie):
    gate = GateFactory(groups=[TEAM], undo_seconds=30)
    stage = Stage.objects.create(gate=gate, position=1, name="Platform")
    stage.groups.add(charlie.groups.get(name=OTHER_TEAM))
    task = approve(task_for(gate), alice)
    assert (task.stage, task.settles_at) == (1, None)
    with pytest.raises(CannotDecide, match="nothing here"):
        undo(task.pk, alice)

    assert approve(task, charlie).settles_at
    undo(task.pk, charlie)
    task.refresh_from_db()
    assert (task.stage, task.approvals) == (1, 0)


def test_one_of_two_undoes_and_the_other_approval_stays(alice, bob):
    task = task_for(GateFactory(groups=[TEAM], quorum=2, undo_seconds=30))
    approve(task, alice)
    assert approve(task, bob).settles_at
    undo(task.pk, bob)
    task.refresh_from_db()
    assert (task.approvals, task.settles_at) == (1, None)
    assert approve(task, bob).settles_at


@pytest.mark.parametrize(("left", "held"), [(400, 30), (40, 10), (3, None)])
def test_a_deadline_that_is_near_shortens_it(patient, alice, left, held):
    task = task_for(patient)
    task.deadline = timezone.now() + dt.timedelta(seconds=left)
    task.save()
    task = approve(task, alice)
    if held is None:
        assert task.status == TaskStatus.APPROVED
    else:
        wait = (task.settles_at - timezone.now()).total_seconds()
        assert wait == pytest.approx(held, abs=2)


def test_a_gate_that_requires_more_meanwhile_lets_it_wait_again(patient, alice):
    task = approve(task_for(patient), alice)
    patient.quorum = 2
    patient.save()
    let_time_pass(task)
    make_final_due()
    task.refresh_from_db()
    assert (task.status, task.settles_at, task.required) == (TaskStatus.PENDING, None, 2)


def test_what_was_undone_too_late_for_the_gate_is_overdue_at_once(alice):
    gate = GateFactory(
        groups=[TEAM], undo_seconds=30, decide_within_minutes=10, at_deadline="reject"
    )
    task = approve(task_for(gate), alice)
    Timer.objects.update(at=Now())
    assert fire.due() == 0
    undo(task.pk, alice)
    fire.due()
    task.refresh_from_db()
    assert task.status == TaskStatus.REJECTED


@pytest.mark.django_db(transaction=True)
def test_of_undo_and_the_end_of_its_time_at_once_one_wins(alice):
    gate = GateFactory(groups=[TEAM], undo_seconds=30)
    for _ in range(6):
        task = approve(task_for(gate), alice)
        let_time_pass(task)
        undone, _, _ = at_once(lambda pk=task.pk: undo(pk, alice), make_final_due, make_final_due)
        task.refresh_from_db()
        if isinstance(undone, AlreadySettled):
            assert task.status == TaskStatus.APPROVED
        else:
            assert (task.status, task.settles_at) == (TaskStatus.PENDING, None)
        assert Callback.objects.filter(task=task).count() == (task.status == TaskStatus.APPROVED)


_WORKER = "import django; django.setup(); from {} import {} as run; run()"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["make_final_due", "due"])
def test_a_worker_killed_before_its_commit_leaves_all_to_the_next(alice, what):
    """The record is locked, so that it hangs in the middle of its transaction."""
    gate = GateFactory(
        groups=[TEAM], undo_seconds=30, decide_within_minutes=10, at_deadline="reject"
    )
    module, run = {
        "make_final_due": ("approvals.decisions.undo", make_final_due),
        "due": ("approvals.timers.fire", fire.due),
    }[what]
    task = task_for(gate)
    if what == "due":
        Timer.objects.filter(kind=Timer.Kind.OVERDUE).update(at=Now())
    else:
        let_time_pass(approve(task, alice))
    before = AuditEvent.objects.count()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE approvals_auditevent IN SHARE MODE")
        worker = subprocess.Popen(
            [sys.executable, "-c", _WORKER.format(module, what)],
            env=environment(DJANGO_SETTINGS_MODULE="config.settings"),
        )
        until = time.monotonic() + 25
        while not _waits_for_a_lock(cursor):
            assert time.monotonic() < until, "the worker never came to the record"
            time.sleep(0.1)
        worker.send_signal(signal.SIGKILL)
        worker.wait(timeout=10)
    assert AuditEvent.objects.count() == before

    until = time.monotonic() + 25
    while not Callback.objects.exists():  # once PostgreSQL has noticed that it is gone
        assert time.monotonic() < until
        run()
        time.sleep(0.1)
    run()
    task.refresh_from_db()
    assert task.status == (TaskStatus.REJECTED if what == "due" else TaskStatus.APPROVED)
    assert Callback.objects.filter(task=task).count() == 1
    assert AuditEvent.objects.filter(task=task, action="settled").count() == 1


def _waits_for_a_lock(cursor: object) -> bool:
    cursor.execute(  # type: ignore[attr-defined]
        "SELECT count(*) FROM pg_locks WHERE NOT granted"
        " AND relation = 'approvals_auditevent'::regclass"
    )
    return bool(cursor.fetchone()[0])  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
def test_workers_make_it_final_and_fire_timers_without_a_broker(alice, worker):
    gate = GateFactory(
        groups=[TEAM], undo_seconds=1, decide_within_minutes=10, at_deadline="reject"
    )
    decided, nobody = approve(task_for(gate), alice), task_for(gate)
    Timer.objects.filter(task=nobody).update(at=Now())
    worker("callbacks", BROKER_URL=NO_BROKER)
    wait_until(lambda: ApprovalTask.objects.filter(status=TaskStatus.APPROVED).exists())
    wait_until(lambda: ApprovalTask.objects.filter(status=TaskStatus.REJECTED).exists())
    assert Callback.objects.filter(task__in=[decided, nobody]).count() == 2


# --- the pages ---


def test_the_page_offers_it_to_whoever_decided_and_tells_others(patient, alice, bob, signed_in):
    task = task_for(patient)
    answer = signed_in(alice).post(
        f"/tasks/{task.pk}/decide/", {"verdict": "approve", "comment": ""}, follow=True
    )
    assert "The workflow hears of it at" in answer.text
    assert f"/tasks/{task.pk}/undo/" in answer.text

    mine = signed_in(alice).get(f"/tasks/{task.pk}/").text
    assert "Approved, can be undone" in mine
    assert f'action="/tasks/{task.pk}/undo/' in mine

    theirs = signed_in(bob).get(f"/tasks/{task.pk}/").text
    assert "Alice has just approved this, and can still undo that" in theirs
    assert "/undo/" not in theirs
    assert "can be undone" in signed_in(bob).get("/?tab=team").text


def test_the_button_undoes_by_post_alone_and_says_kindly_when_it_is_too_late(
    patient, alice, bob, signed_in
):
    task = approve(task_for(patient), alice)
    browser, url = signed_in(alice), f"/tasks/{task.pk}/undo/"
    assert browser.get(url).status_code == 405
    assert signed_in(bob).post(url).status_code == 409
    assert signed_in(UserFactory()).post(url).status_code == 404
    task.refresh_from_db()
    assert task.settles_at

    answer = browser.post(url, follow=True)
    assert "Taken back." in answer.text
    task.refresh_from_db()
    assert task.settles_at is None

    approve(task, alice)
    let_time_pass(task)
    make_final_due()
    late = browser.post(url)
    assert late.status_code == 409
    assert "Too late to undo: Alice has already approved this." in late.text


def test_a_stage_that_was_added_meanwhile_comes_next(patient, alice, charlie):
    task = approve(task_for(patient), alice)
    stage = Stage.objects.create(gate=patient, position=1, name="Platform")
    stage.groups.add(charlie.groups.get(name=OTHER_TEAM))
    let_time_pass(task)
    make_final_due()
    make_final_due()
    task.refresh_from_db()
    assert (task.stage, task.settles_at) == (1, None)
    assert not AuditEvent.objects.filter(task=task, action="undone").exists()
    assert approve(task, charlie).settles_at


def test_one_that_cannot_be_made_final_holds_up_no_other(patient, alice):
    tasks = [approve(task_for(patient), alice) for _ in range(2)]
    for task in tasks:
        let_time_pass(task)
    ApprovalTask.objects.filter(pk=tasks[0].pk).update(connection=ConnectionFactory(kind="gone"))
    make_final_due()
    tasks[1].refresh_from_db()
    assert tasks[1].status == TaskStatus.APPROVED
