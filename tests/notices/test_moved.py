"""Whoever had a task, and has it no longer, is told who has."""

import datetime as dt

import pytest
from django.utils import timezone

from approvals.decisions.claim import claim, release
from approvals.decisions.hand_over import hand_over, take_back
from approvals.models import ApprovalTask, Gate, Notice, User
from approvals.notices.expand import expand_due
from tests.conftest import TEAM, person
from tests.factories import GateFactory, UserFactory, task_for
from tests.fakes.mail_server import MailServer
from tests.notices.conftest import approve, mailed


@pytest.fixture
def gate(db: None) -> Gate:
    return GateFactory(groups=[TEAM], hand_over=Gate.HandOver.ANYBODY)


@pytest.fixture
def task(gate: Gate, alice: User, bob: User, charlie: User, dora: User) -> ApprovalTask:
    """At the gate of Alice, Bob and Dora; Charlie is of another team."""
    return task_for(gate, title="Refund 4711")


def told() -> set[tuple[str, str]]:
    """(who, who has it now), for what has happened since the last time."""
    expand_due()
    moved = Notice.objects.filter(kind="moved").select_related("person")
    found = {(one.person.username, one.data["by"]) for one in moved}
    Notice.objects.all().delete()
    return found


def test_a_colleague_is_told_that_a_task_was_taken_back(task, alice, charlie):
    hand_over(task.pk, person(alice), charlie)
    assert told() == set()
    take_back(task.pk, person(alice))
    assert told() == {("charlie", "Alice")}


def test_whoever_was_on_it_is_told_who_took_it_over(task, alice, bob, dora):
    claim(task.pk, person(alice))
    release(task.pk, person(alice))
    claim(task.pk, person(bob))
    assert told() == set()
    claim(task.pk, person(dora), taken_from=bob.pk)
    assert told() == {("bob", "Dora")}


def test_whose_place_it_is_hears_that_it_was_handed_on_and_not_that_it_came_back(
    task, alice, bob, charlie
):
    hand_over(task.pk, person(alice), charlie)
    hand_over(task.pk, person(charlie), bob)
    assert told() == {("alice", "Bob")}
    hand_over(task.pk, person(bob), alice)
    assert told() == set(), "that it is with her again says that mail"


def test_both_hear_of_it_where_a_stand_in_hands_it_on(task, alice, charlie, dora):
    hand_over(task.pk, person(alice), charlie)
    erin, away = UserFactory(username="erin"), timezone.now() - dt.timedelta(hours=1)
    User.objects.filter(pk=charlie.pk).update(delegate=erin, away_from=away)
    hand_over(task.pk, person(erin), dora)
    assert told() == {("alice", "Dora"), ("charlie", "Dora")}


@pytest.mark.parametrize("change", [{"is_active": False}, {"email": ""}, {"mails": "off"}])
def test_nobody_is_mailed_of_it_who_can_not_or_does_not_want_to_be(task, alice, bob, dora, change):
    hand_over(task.pk, person(alice), bob)
    User.objects.filter(pk=bob.pk).update(**change)
    take_back(task.pk, person(alice))
    assert told() == set()


def test_it_is_one_short_mail_without_a_way_to_decide(task, alice, charlie, mail_server):
    hand_over(task.pk, person(alice), charlie)
    User.objects.filter(pk=charlie.pk).update(mails=User.Mails.DAILY)
    assert mailed(mail_server, charlie) == [1]
    take_back(task.pk, person(alice))
    assert mailed(mail_server, charlie) == [2], "it waits for no digest"
    assert mailed(mail_server, charlie) == [2]
    mail = mail_server.mails_to(charlie.email)[-1]
    assert mail["Subject"] == "Alice has it now: Refund 4711"
    assert "/l/" not in str(mail)


def test_what_has_changed_again_or_is_settled_is_not_told(
    task, alice, bob, dora, mail_server: MailServer
):
    assert mailed(mail_server, bob) == [1]
    hand_over(task.pk, person(alice), bob)
    take_back(task.pk, person(alice))
    hand_over(task.pk, person(alice), bob)
    subjects = subjects_to(mail_server, bob)
    assert subjects.pop(0).startswith("Approve?")
    assert {one.partition(":")[0] for one in subjects} == {"Alice handed you"}
    take_back(task.pk, person(alice))
    approve(task, dora)
    assert not any("has it now" in one for one in subjects_to(mail_server, bob))


def subjects_to(server: MailServer, user: User) -> list[str]:
    mailed(server, user)
    return [str(one["Subject"]) for one in server.mails_to(user.email)]
