"""Those are told whom it concerns, and nobody else."""

import datetime as dt

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.decisions.rules import can_decide
from approvals.models import Gate, Notice, Occasion, Place, Stage, User
from approvals.notices.audience import deciders
from approvals.notices.expand import expand_due
from approvals.notices.occasions import Kind, happened
from approvals.states import TaskStatus, Verdict
from tests.conftest import OTHER_TEAM, TEAM, person
from tests.factories import GateFactory, UserFactory, task_for, tasks_for
from tests.notices.conftest import approve


def told(kind: str | None = None) -> set[tuple[str, str]]:
    """(kind, who), for what has happened since the last time."""
    expand_due()
    found = {(one.kind, one.person.username) for one in Notice.objects.select_related("person")}
    Notice.objects.all().delete()
    return {pair for pair in found if kind in (None, pair[0])}


def names(*people: str, kind: str) -> set[tuple[str, str]]:
    return {(kind, name) for name in people}


@pytest.fixture
def away(bob, charlie):
    """Bob is away; Charlie, of another team, is his delegate."""
    bob.away_from, bob.delegate = timezone.now() - dt.timedelta(hours=1), charlie
    bob.save()
    return bob


def test_whoever_may_decide_is_told_that_a_task_arrived(gate, alice, bob, charlie, audrey):
    task_for(gate)
    assert told() == names("alice", "bob", kind="arrived")
    assert not Occasion.objects.exists()


def test_a_later_stage_is_told_when_its_turn_comes(gate, alice, bob, charlie):
    last = Stage.objects.create(gate=gate, position=1, name="Platform")
    last.groups.add(Group.objects.get(name=OTHER_TEAM))
    task = task_for(gate)
    assert told() == names("alice", "bob", kind="arrived")
    approve(task, alice)
    assert told() == names("charlie", kind="arrived")


def test_nobody_is_told_to_decide_what_they_asked_for(gate, alice, bob):
    Gate.objects.update(exclude_requester=True)
    task_for(gate, requestedBy="alice@example.com")
    assert told() == names("bob", kind="arrived")


@pytest.mark.parametrize(
    "change",
    [{"is_active": False}, {"email": ""}, {"mails": "off"}, {"mail_refused_at": timezone.now()}],
)
def test_nobody_is_mailed_who_can_not_or_does_not_want_to_be(gate, alice, bob, change):
    User.objects.filter(pk=bob.pk).update(**change)
    task_for(gate)
    assert told() == names("alice", kind="arrived")


def test_a_delegate_is_told_instead_where_the_gate_allows_it(gate, alice, away, charlie):
    task_for(gate)
    assert told() == names("alice", "bob", kind="arrived"), "Charlie is no reviewer here"
    Gate.objects.update(hand_over=Gate.HandOver.ANYBODY)
    task_for(gate)
    assert told() == names("alice", "charlie", kind="arrived")
    Gate.objects.update(hand_over=Gate.HandOver.NOBODY)
    task_for(gate)
    assert told() == names("alice", "bob", kind="arrived")


def test_reminders_go_to_those_who_have_not_decided_or_have_claimed(gate, alice, bob, dora):
    Gate.objects.update(quorum=2)
    task = task_for(gate)
    approve(task, alice)
    told()
    happened(Kind.REMINDED, [task])
    assert told() == names("bob", "dora", kind="reminded")
    type(task).objects.filter(pk=task.pk).update(claimed_by=dora, claimed_at=timezone.now())
    happened(Kind.RUNNING_OUT, [task])
    assert told() == names("dora", kind="running_out")


def test_an_escalation_is_told_to_those_to_whom_it_goes(gate, alice, charlie):
    task = task_for(gate)
    told()
    Place.objects.create(task=task, group=Group.objects.get(name=OTHER_TEAM), why="escalated")
    type(task).objects.filter(pk=task.pk).update(has_places=True, escalated_at=timezone.now())
    happened(Kind.ESCALATED, [task])
    assert told() == names("charlie", kind="escalated")


def test_what_names_a_person_goes_to_them_alone_even_where_nothing_else_is_mailed(gate, alice, bob):
    Gate.objects.update(mails=False)
    task = task_for(gate)
    assert told() == set()
    happened(Kind.ASKED, [task], actor=alice, person=bob)
    happened(Kind.HANDED_OVER, [task], actor=bob, person=bob)
    assert told() == names("bob", kind="asked"), "nobody is told of what they did"


def test_the_requester_and_whoever_had_a_part_are_told_how_it_ended(gate, alice, bob, charlie):
    Gate.objects.update(quorum=2)
    task = task_for(gate, requestedBy="charlie")
    approve(task, alice)
    approve(task, bob)
    assert told("settled") == names("alice", "charlie", kind="settled"), "Bob has just decided it"


def test_reviewers_whom_no_mail_has_reached_are_not_told_that_it_ended(gate, alice, bob):
    task = task_for(gate)
    expand_due()
    approve(task, alice, Verdict.REJECT)
    assert told("settled") == set()


def test_of_a_task_that_is_asked_anew_only_the_newer_one_is_told(gate, alice, bob, charlie):
    first = task_for(gate, dedupeKey="one", requestedBy="charlie")
    assert told()
    task_for(gate, dedupeKey="one", requestedBy="charlie")
    first.refresh_from_db()
    assert first.status == TaskStatus.SUPERSEDED
    assert told() == names("alice", "bob", kind="arrived")


def test_outside_jobs_mail_nobody(gate, alice):
    task_for(GateFactory(kind=Gate.Kind.JOB, groups=[TEAM]), requestedBy="alice")
    assert told() == set()


def test_the_audience_is_who_could_decide(gate, alice, bob, charlie, dora, away):
    """One task in each way that a place can come about, everybody asked about each."""
    erin = UserFactory(username="erin", groups=[TEAM, OTHER_TEAM])
    open_gate = GateFactory(
        groups=[TEAM], hand_over=Gate.HandOver.ANYBODY, exclude_requester=True, quorum=3
    )
    Gate.objects.filter(pk=gate.pk).update(quorum=3)
    stage = Stage.objects.create(gate=open_gate, position=1, name="Platform")
    stage.groups.add(Group.objects.get(name=OTHER_TEAM))
    tasks = [task_for(at, requestedBy=by) for at in (gate, open_gate) for by in ("dora", "x")]
    for task in list(tasks):
        for change in ("decided", "handed", "narrowed", "escalated", "claimed", "at stage 1"):
            one = task_for(task.gate, requestedBy=task.requested_by)
            tasks.append(one)
            match change:
                case "decided":
                    approve(one, alice)
                    approve(one, erin)
                case "handed":
                    one.places.create(user=charlie, why="handed", stands_for=alice, for_groups=[])
                    one.places.create(user=bob, why="handed", stands_for=erin, for_groups=[])
                case "narrowed":
                    one.places.create(user=erin, why="named")
                    one.places.create(user=bob, why="named")
                case "escalated":
                    group = Group.objects.get(name=OTHER_TEAM)
                    one.places.create(group=group, why="escalated")
            type(one).objects.filter(pk=one.pk).update(
                has_places=change in ("handed", "narrowed", "escalated"),
                is_narrowed=change == "narrowed",
                claimed_by=erin if change == "claimed" else None,
                stage=int(change == "at stage 1"),
            )
    able = deciders([task.pk for task in tasks])
    everybody = list(User.objects.all())
    for task in tasks:
        fresh = type(task).objects.select_related("gate", "claimed_by").get(pk=task.pk)
        allowed = {one.pk for one in everybody if can_decide(fresh, person(one))}
        assert set(able.get(task.pk, {})) == allowed, (fresh.title, fresh.gate)


def test_one_that_nobody_can_be_told_of_holds_up_no_other(gate, alice, bob, charlie):
    """Here: the reader's time zone is none that is known (any more)."""
    User.objects.filter(pk=charlie.pk).update(mails=User.Mails.DAILY, time_zone="Nowhere/At_all")
    task_for(GateFactory(groups=[OTHER_TEAM]))
    task_for(gate)
    assert told() == names("alice", "bob", kind="arrived")
    assert told() == set(), "it is not tried all the time"
    User.objects.filter(pk=charlie.pk).update(time_zone="")
    Occasion.objects.update(at=timezone.now() - dt.timedelta(hours=1))
    assert told() == names("charlie", kind="arrived")


def test_a_thousand_arrivals_cost_as_many_queries_as_ten(gate, alice, bob):
    def queries(count: int) -> int:
        tasks_for(gate, count)
        with CaptureQueriesContext(
            connection,
        ) as found:
            expand_due()
        return len(found)

    assert queries(3) == queries(150)
    assert Notice.objects.count() == 306
