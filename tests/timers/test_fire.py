"""Reminding, escalating, warning: once, in time, for those who still wait."""

import datetime as dt

import pytest
from django.contrib.auth.models import Group
from django.db.models.functions import Now
from django.utils import timezone

from approvals.decisions.decide import decide
from approvals.decisions.rules import can_decide
from approvals.intake.accept import accept
from approvals.models import AuditEvent, Calendar, Decision, Gate, Occasion, Timer
from approvals.models.stage import Stage
from approvals.states import Verdict
from approvals.timers import fire
from approvals.timers.plan import plan_deadline
from tests.concurrency import at_once
from tests.conftest import OTHER_TEAM, TEAM, person
from tests.factories import GateFactory, UserFactory, message, task_for

Kind = Timer.Kind
INBOX = Decision.Via.INBOX
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def timed(db: None) -> Gate:
    """Reminds after 1 h and then every 2 h, escalates after 3 h, wants it decided within 8 h."""
    gate = GateFactory(
        groups=[TEAM],
        remind_after_minutes=60,
        remind_every_minutes=120,
        escalate_after_minutes=180,
        decide_within_minutes=480,
        warn_before_minutes=30,
    )
    gate.escalate_to.add(Group.objects.get_or_create(name=OTHER_TEAM)[0])
    return gate


def timers(task) -> dict[str, dt.timedelta]:
    """By kind: how long after the task came."""
    task.refresh_from_db()
    return {one.kind: one.at - task.received_at for one in task.timers.all()}


def pass_time(task, hours: float) -> None:
    """As if the task had come so much earlier."""
    for timer in task.timers.all():
        timer.at -= hours * HOUR
        timer.save()


def occasions(task) -> list[str]:
    found = Occasion.objects.filter(task=task).exclude(kind=Occasion.Kind.ARRIVED)
    return sorted(found.values_list("kind", flat=True))


def test_everything_is_planned_when_a_task_comes(timed):
    task = task_for(timed)
    assert timers(task) == {
        Kind.REMIND: HOUR,
        Kind.ESCALATE: 3 * HOUR,
        Kind.RUNNING_OUT: 7.5 * HOUR,
        Kind.OVERDUE: 8 * HOUR,
    }
    assert task.decide_by == task.received_at + 8 * HOUR


def test_times_count_in_the_gates_working_hours(timed):
    week = {day: [["00:00", "00:01"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    timed.calendar = Calendar.objects.create(name="A minute a day", hours=week)
    timed.save()
    assert timers(task_for(timed))[Kind.REMIND] > dt.timedelta(days=58)


def test_a_gate_without_times_plans_nothing_and_one_without_teams_escalates_to_nobody(gate):
    assert timers(task_for(gate)) == {}
    gate.escalate_after_minutes = 10
    gate.save()
    assert timers(task_for(gate)) == {}


def test_a_batch_costs_as_many_queries_as_one(source, timed, django_assert_max_num_queries):
    timed.calendar = Calendar.objects.create(name="Office")
    timed.save()
    accept(source, [message(gate=timed.slug)])
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as one:
        accept(source, [message(gate=timed.slug)])
    with django_assert_max_num_queries(len(one)):
        accept(source, [message(gate=timed.slug) for _ in range(10)])


@pytest.mark.parametrize(
    ("timeout", "margin"), [(3 * 3600, 216), (5 * 60, 10), (8, 4)], ids=["2 %", "10 s", "half"]
)
def test_what_the_gate_allows_ends_shortly_before_the_engines_deadline(timed, timeout, margin):
    task = task_for(timed, timeoutSeconds=timeout)
    assert timers(task)[Kind.OVERDUE].total_seconds() == pytest.approx(timeout - margin, abs=2)


def test_a_gate_that_acts_does_so_before_the_engines_deadline_and_else_only_warns(gate):
    warns = timers(task_for(gate, timeoutSeconds=2 * 3600))
    assert {kind: span.total_seconds() for kind, span in warns.items()} == {
        Kind.RUNNING_OUT: pytest.approx(3600, abs=5)
    }
    gate.at_deadline = Gate.AtDeadline.REJECT
    gate.save()
    acts = timers(task_for(gate, timeoutSeconds=2 * 3600))
    assert acts[Kind.OVERDUE].total_seconds() == pytest.approx(7200 - 144, abs=5)
    assert Kind.OVERDUE not in timers(task_for(gate)), "no deadline, so nothing to act before"


def test_a_deadline_that_is_read_later_moves_what_depends_on_it(timed):
    task = task_for(timed)
    task.deadline = task.received_at + 2 * HOUR
    task.save()
    plan_deadline(task)
    found = timers(task)
    assert found[Kind.OVERDUE] < 2 * HOUR
    assert found[Kind.RUNNING_OUT] < 1.5 * HOUR
    assert found[Kind.REMIND] == HOUR
    assert task.decide_by == task.received_at + found[Kind.OVERDUE]


def test_changing_the_gate_moves_no_timer_of_what_waits(timed):
    task = task_for(timed)
    timed.decide_within_minutes = 5
    timed.save()
    assert timers(task)[Kind.OVERDUE] == 8 * HOUR


def test_reviewers_are_reminded_again_and_again(timed):
    task = task_for(timed)
    assert fire.due() == 0

    pass_time(task, 1)
    assert fire.due() == 1
    assert fire.due() == 0
    assert occasions(task) == ["reminded"]
    again = task.timers.get(kind=Kind.REMIND).at - timezone.now()
    assert again.total_seconds() == pytest.approx(7200, abs=60)

    pass_time(task, 2)
    fire.due()
    assert occasions(task).count("reminded") == 2
    assert AuditEvent.objects.filter(task=task, action="reminded").count() == 2


def test_after_an_outage_one_reminder_is_enough(timed):
    task = task_for(timed)
    Timer.objects.filter(task=task, kind=Kind.REMIND).update(at=Now() - 100 * HOUR)
    assert fire.due() == 1
    assert occasions(task) == ["reminded"]


def test_escalating_lets_another_team_decide(timed, charlie, alice):
    task = task_for(timed)
    assert not can_decide(task, person(charlie))

    Timer.objects.filter(task=task, kind=Kind.ESCALATE).update(at=Now())
    assert fire.due() == 1

    task.refresh_from_db()
    assert task.escalated_at
    assert occasions(task) == ["escalated"]
    [event] = AuditEvent.objects.filter(task=task, action="escalated")
    assert event.data["groups"] == [OTHER_TEAM]
    assert can_decide(task, person(alice))
    decide(task.pk, person(charlie), Verdict.APPROVE, via=INBOX)
    task.refresh_from_db()
    assert not task.is_pending


def test_a_warning_comes_before_time_runs_out(timed):
    task = task_for(timed)
    Timer.objects.filter(task=task, kind=Kind.RUNNING_OUT).update(at=Now())
    fire.due()
    assert occasions(task) == ["running_out"]


def test_timers_of_what_is_settled_are_dropped_and_of_what_can_be_undone_they_wait(timed, alice):
    done = task_for(timed)
    decide(done.pk, person(alice), Verdict.APPROVE, via=INBOX)
    timed.undo_seconds = 60
    timed.save()
    held = task_for(timed)
    decide(held.pk, person(alice), Verdict.APPROVE, via=INBOX)
    Timer.objects.update(at=Now())

    assert fire.due() == 0
    assert not done.timers.exists()
    assert held.timers.count() == 4
    assert {*occasions(done), *occasions(held)} == {"settled"}


def test_at_the_next_stage_reminding_and_escalating_begin_anew(timed, alice):
    stage = Stage.objects.create(gate=timed, position=1, name="Finance")
    stage.groups.add(Group.objects.get(name=OTHER_TEAM))
    task = task_for(timed)
    Timer.objects.filter(task=task, kind=Kind.ESCALATE).update(at=Now())
    pass_time(task, 2)
    fire.due()
    decide_by = task.timers.get(kind=Kind.OVERDUE).at

    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)

    task.refresh_from_db()
    assert (task.stage, task.escalated_at) == (1, None)
    remind, escalate = (task.timers.get(kind=kind).at for kind in (Kind.REMIND, Kind.ESCALATE))
    assert (remind - timezone.now()).total_seconds() == pytest.approx(3600, abs=60)
    assert (escalate - timezone.now()).total_seconds() == pytest.approx(3 * 3600, abs=60)
    assert task.timers.get(kind=Kind.OVERDUE).at == decide_by


def test_one_that_fails_holds_up_none_behind_it_and_is_tried_again(timed, monkeypatch):
    bad, good = task_for(timed), task_for(timed)
    Timer.objects.filter(kind=Kind.REMIND, task=bad).update(at=Now() - HOUR)
    Timer.objects.filter(kind=Kind.REMIND, task=good).update(at=Now())
    happened = fire.happened

    def fail(kind, tasks, **data):
        if tasks[0].pk == bad.pk:
            raise RuntimeError("nobody thought of this")
        happened(kind, tasks, **data)

    monkeypatch.setattr(fire, "happened", fail)
    fire.due()
    assert (occasions(bad), occasions(good)) == ([], ["reminded"])
    assert not AuditEvent.objects.filter(task=bad, action="reminded").exists()
    assert bad.timers.get(kind=Kind.REMIND).at > timezone.now()


def test_a_calendar_that_has_become_unreadable_holds_up_no_message(timed):
    timed.calendar = Calendar.objects.create(name="Gone", country="XX")
    timed.save()
    assert timers(task_for(timed))[Kind.REMIND] == HOUR


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_fire_each_timer_once(timed):
    tasks = [task_for(timed) for _ in range(10)]
    for _ in range(3):
        Timer.objects.filter(kind=Kind.REMIND).update(at=Now())
        results = at_once(fire.due, fire.due, fire.due)
        assert not [one for one in results if isinstance(one, Exception)], results
        assert sum(results) >= 10
    fire.due()
    assert all(len(occasions(task)) == 3 for task in tasks)


@pytest.mark.django_db(transaction=True)
def test_deciding_while_timers_fire_blocks_nobody_for_good(timed, alice):
    stage = Stage.objects.create(gate=timed, position=1, name="Finance")
    stage.users.add(UserFactory())
    for _ in range(5):
        task = task_for(timed)
        Timer.objects.filter(task=task).exclude(kind=Kind.OVERDUE).update(at=Now())
        results = at_once(
            lambda pk=task.pk: decide(pk, person(alice), Verdict.APPROVE, via=INBOX),
            fire.due,
            fire.due,
        )
        assert not [one for one in results if isinstance(one, Exception)], results
        task.refresh_from_db()
        assert task.stage == 1
