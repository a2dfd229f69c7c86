"""What happened reaches a mailbox: at once or together, once, and never for nothing."""

import datetime as dt
import threading
import zoneinfo

import pytest
from django.db.models.functions import Now

from approvals.jobs import tell_people
from approvals.models import ApprovalTask, AuditEvent, Gate, Link, Mail, Notice, User
from approvals.notices import outbox
from approvals.notices.expand import due_at, expand_due
from approvals.notices.forget import forget
from approvals.notices.occasions import Kind, happened
from approvals.notices.send import send_due
from tests.concurrency import at_once
from tests.factories import task_for, tasks_for
from tests.notices.conftest import approve, let_time_pass, mailed, yesterday

UTC = dt.UTC


def test_a_task_is_told_once_with_what_mail_programs_should_know(gate, alice, mail_server):
    task = task_for(gate, title="Refund 4711")
    assert mailed(mail_server, alice) == [1]
    assert mailed(mail_server, alice) == [1]
    [mail] = mail_server.mails_to(alice.email)
    assert "Refund 4711" in mail["Subject"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] == "<http://127.0.0.1:8000/preferences/>"
    assert {part.get_content_type() for part in mail.walk()} >= {"text/plain", "text/html"}
    [line] = AuditEvent.objects.filter(task=task, action="mailed")
    assert line.data == {"told": "Alice", "notice": "arrived"}
    assert Mail.objects.get().status == "sent"


def test_what_is_decided_before_the_mail_goes_out_is_not_asked_any_more(
    gate, alice, bob, mail_server
):
    before_it_was_composed, before_it_was_sent = tasks_for(gate, 2)
    expand_due()
    approve(before_it_was_composed, alice)
    outbox.compose_due()
    assert Mail.objects.count() == 2
    approve(before_it_was_sent, alice)
    assert mailed(mail_server, alice, bob) == [0, 0]
    assert {one.status for one in Mail.objects.all()} == {"dropped"}
    assert not AuditEvent.objects.filter(action="mailed").exists()


def test_who_may_not_see_it_any_more_is_not_told_of_its_end(gate, alice, bob, dora, mail_server):
    dora.groups.clear()
    task = task_for(gate, requestedBy="dora")
    assert mailed(mail_server, alice, bob, dora) == [1, 1, 0]
    bob.groups.clear()
    approve(task, alice)
    assert mailed(mail_server, alice, bob, dora) == [1, 1, 1]


def test_what_can_still_be_undone_waits(gate, alice, bob, mail_server):
    Gate.objects.update(undo_seconds=60, quorum=1)
    task = task_for(gate)
    expand_due()
    approve(task, alice)
    assert mailed(mail_server, bob) == [0]
    ApprovalTask.objects.update(settles_at=None)
    assert mailed(mail_server, bob) == [1]


def test_many_at_once_become_one_mail_and_more_soon_after_wait(gate, alice, mail_server):
    tasks_for(gate, 40)
    assert mailed(mail_server, alice) == [1]
    for _ in range(outbox.FLOOD - 1):
        task_for(gate)
        tell_people()
    assert mailed(mail_server, alice) == [outbox.FLOOD]

    tasks_for(gate, 3)
    assert mailed(mail_server, alice) == [outbox.FLOOD]
    urgent = ApprovalTask.objects.first()
    happened(Kind.RUNNING_OUT, [urgent])
    assert mailed(mail_server, alice) == [outbox.FLOOD], "a minute's pause for that too"
    Mail.objects.update(created_at=Now() - outbox.CALM_URGENT)
    Notice.objects.filter(kind=Kind.RUNNING_OUT).update(due_at=Now())
    assert mailed(mail_server, alice) == [outbox.FLOOD + 1]

    yesterday()
    let_time_pass()
    assert mailed(mail_server, alice) == [outbox.FLOOD + 4]
    assert Notice.objects.filter(mail=None).count() == 0
    assert AuditEvent.objects.filter(action="mailed").values("task").distinct().count() == 47


def test_those_who_want_them_together_get_them_together(gate, alice, bob, mail_server):
    User.objects.filter(pk=alice.pk).update(mails="daily")
    first, second = tasks_for(gate, 2)
    assert mailed(mail_server, alice, bob) == [0, 2]
    happened(Kind.RUNNING_OUT, [first])
    assert mailed(mail_server, alice) == [1], "that can't wait"
    approve(first, bob)
    expand_due()
    let_time_pass()
    assert mailed(mail_server, alice) == [2]
    last = mail_server.mails_to(alice.email)[-1]
    said = last.get_body(("plain",)).get_content()
    assert second.title in said
    assert Mail.objects.get(person=alice, subject=last["Subject"]).notices.count() == 2


VIENNA, KOLKATA = "Europe/Vienna", "Asia/Kolkata"


@pytest.mark.parametrize(
    ("mails", "zone", "now", "due"),
    [
        ("at_once", VIENNA, "2026-03-02T09:17:00", "2026-03-02T09:17:00"),
        ("hourly", VIENNA, "2026-03-02T09:17:00", "2026-03-02T10:00:00"),
        ("hourly", KOLKATA, "2026-03-02T09:17:00", "2026-03-02T09:30:00"),
        ("daily", VIENNA, "2026-03-02T06:59:59", "2026-03-02T07:00:00"),
        ("daily", VIENNA, "2026-03-02T07:00:00", "2026-03-03T07:00:00"),
        ("daily", "", "2026-03-02T07:00:00", "2026-03-02T08:00:00"),
        # The clock goes forward on the 29th, back on October 25th.
        ("daily", VIENNA, "2026-03-28T12:00:00", "2026-03-29T06:00:00"),
        ("hourly", VIENNA, "2026-10-25T00:30:00", "2026-10-25T01:00:00"),
        ("hourly", VIENNA, "2026-10-25T01:30:00", "2026-10-25T02:00:00"),
    ],
)
def test_digests_keep_the_hours_of_their_reader(mails, zone, now, due):
    reader = User(mails=mails, time_zone=zone)
    at = dt.datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert due_at(reader, Kind.ARRIVED, at) == dt.datetime.fromisoformat(due).replace(tzinfo=UTC)
    assert due_at(reader, Kind.ESCALATED, at) == at
    assert zone == "" or zoneinfo.ZoneInfo(zone)


def test_without_a_mail_server_nothing_piles_up(gate, alice, settings, mail_server):
    settings.EMAIL_BACKEND, real = (
        "django.core.mail.backends.dummy.EmailBackend",
        (settings.EMAIL_BACKEND),
    )
    task_for(gate)
    tell_people()
    settings.EMAIL_BACKEND = real
    assert mailed(mail_server, alice) == [0]


# --- what a mail server may answer ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "said", "status", "refused"),
    [
        ("RCPT", "550 5.1.1 no such user", "bounced", True),
        ("RCPT", "550 unknown", "bounced", True),
        ("RCPT", "554 5.7.1 relay access denied", "due", False),
        ("RCPT", "451 4.7.1 try later", "due", False),
        ("MAIL", "553 5.1.8 sender unknown", "due", False),
        ("DATA", "554 5.7.1 looks like spam", "dead", False),
        ("DATA", "550 5.2.1 mailbox disabled", "bounced", True),
        ("DATA", "421 4.3.2 going down", "due", False),
    ],
)
def test_the_servers_word_decides_what_becomes_of_a_mail(
    gate, alice, bob, mail_server, step, said, status, refused
):
    User.objects.filter(pk=bob.pk).update(mails="off")
    task = task_for(gate)
    mail_server.answers[step] = said
    tell_people()
    mail = Mail.objects.get()
    assert (mail.status, mail.failures, mail.last_error) == (status, 1, said)
    alice.refresh_from_db()
    assert (alice.mail_refused_at is not None) == refused
    lines = AuditEvent.objects.filter(task=task, action="mail_refused")
    assert [line.data for line in lines] == [{"told": "Alice", "notice": "arrived"}] * refused
    if status == "due":
        assert outbox.take() is None, "a pause comes first"
        mail_server.answers.clear()
        let_time_pass()
        assert mailed(mail_server, alice) == [1]


def test_one_refused_address_does_not_hold_up_the_others(gate, alice, bob, dora, mail_server):
    task_for(gate)
    refusals = iter(["550 5.1.1 no such user"])
    mail_server.before["RCPT"] = lambda: mail_server.answers.update(RCPT=next(refusals, ""))
    tell_people()
    assert sorted(Mail.objects.values_list("status", flat=True)) == ["bounced", "sent", "sent"]
    assert mail_server.connections == 2, "one is kept until something fails"


def test_a_server_that_is_away_costs_one_try_a_sweep_and_a_day_of_it_is_enough(
    gate, alice, bob, settings, mail_server
):
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 9
    task_for(gate)
    tell_people()
    assert sorted(Mail.objects.values_list("failures", flat=True)) == [0, 1]
    Mail.objects.update(failures=outbox.MOST_FAILURES - 1)
    let_time_pass()
    tell_people()
    tell_people()
    assert set(Mail.objects.values_list("status", flat=True)) == {"dead"}
    settings.EMAIL_PORT = port
    assert mailed(mail_server, alice) == [0]


def test_a_mail_whose_senders_die_again_and_again_is_given_up(gate, alice, mail_server):
    task_for(gate)
    expand_due()
    outbox.compose_due()
    for _ in range(5):
        assert outbox.take()
        let_time_pass()
    assert mailed(mail_server, alice) == [0]
    assert Mail.objects.get().status == "dead"


def test_whoever_lost_the_lease_changes_nothing(gate, alice, mail_server):
    task_for(gate)
    expand_due()
    outbox.compose_due()
    late = outbox.take()
    let_time_pass()
    assert mailed(mail_server, alice) == [1]
    assert late
    assert not outbox.finish(late, Mail.Status.BOUNCED)
    assert Mail.objects.get().status == "sent"


@pytest.mark.django_db(transaction=True)
def test_many_at_it_at_once_tell_everybody_once(gate, alice, bob, mail_server):
    for _ in range(3):
        task_for(gate)
    at_once(*[tell_people] * 4)
    tell_people()
    assert len(mail_server.offered) == len(set(mail_server.offered)) == Mail.objects.count()
    assert Notice.objects.exclude(mail=None).count() == 6


@pytest.mark.django_db(transaction=True)
def test_a_slow_server_holds_one_thread(gate, alice, mail_server):
    task_for(gate)
    asked, go_on = threading.Event(), threading.Event()
    mail_server.before["MAIL"] = lambda: (asked.set(), go_on.wait(20))[0]

    def second() -> int:
        assert asked.wait(20)
        tried = send_due()
        go_on.set()
        return tried

    _, tried = at_once(tell_people, second)
    assert tried == 0
    assert len(mail_server.mails_to(alice.email)) == 1


def test_a_mail_holds_so_many_that_writing_it_takes_seconds(gate, alice, mail_server, monkeypatch):
    monkeypatch.setattr(outbox, "NOTICES", 3)
    User.objects.filter(pk=alice.pk).update(mails=User.Mails.HOURLY)
    tasks_for(gate, 7)
    assert expand_due()
    let_time_pass()
    assert mailed(mail_server, alice) == [3]
    assert not Notice.objects.filter(mail=None).exists()


def test_what_is_old_goes_and_is_not_mailed_again(gate, alice, bob, mail_server):
    task = task_for(gate)
    mailed(mail_server, alice)
    assert (forget(), Link.objects.count()) == (0, 2)
    Link.objects.update(expires_at=Now() - dt.timedelta(days=31))
    Mail.objects.update(created_at=Now() - dt.timedelta(days=91))
    assert forget() == 4
    assert not Notice.objects.exists()
    assert mailed(mail_server, alice, bob) == [1, 1]
    assert AuditEvent.objects.filter(task=task, action="mailed").count() == 2
