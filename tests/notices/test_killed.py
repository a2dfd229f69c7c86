"""The sender is killed (SIGKILL, a real process) at every point of its work: nothing is forgotten,
nothing is in a mailbox twice, and a second copy is offered in one case alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from approvals.jobs import tell_people
from approvals.models import AuditEvent, Mail, Notice, Occasion
from tests.factories import task_for
from tests.notices.conftest import let_time_pass
from tests.processes.conftest import environment, start, worker  # noqa: F401 - fixtures
from tests.processes.test_workers import NO_BROKER, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SENDER = """
import django
django.setup()
from approvals.jobs import tell_people
tell_people()
"""


@contextmanager
def locked(statement: str) -> Iterator[None]:
    """Somebody else holds what the sender needs next."""
    with psycopg.connect(environment()["DATABASE_URL"]) as other:
        other.execute(statement)
        yield
        other.rollback()


def is_waiting_for_a_lock() -> bool:
    with psycopg.connect(environment()["DATABASE_URL"]) as other:
        row = other.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
    return bool(row and row[0])


@pytest.fixture
def killed(mail_server) -> Callable[..., None]:
    """Start a sender, wait until it is at some point, and kill it there."""

    def run(is_there: Callable[[], bool]) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", SENDER], env=environment(EMAIL_URL=mail_server.url)
        )
        try:
            wait_until(is_there, seconds=40)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=10)
        assert process.returncode == -signal.SIGKILL

    return run


def all_is_told(server: Any, person: Any, *, offered: int) -> None:
    """Somebody else goes on: one mail in the mailbox, after so many were `offered`."""
    for _ in range(2):
        let_time_pass()
        tell_people()
    assert len(server.mails_to(person.email)) == 1
    assert len(server.offered) == offered
    assert len(set(server.offered)) == 1
    assert Mail.objects.get().status == "sent"
    assert Notice.objects.count() == 1
    assert not Occasion.objects.exists()
    assert AuditEvent.objects.filter(action="mailed").count() == 1


@pytest.mark.parametrize("table", ["approvals_notice", "approvals_mail"])
def test_killed_while_it_writes_whom_to_tell(gate, alice, mail_server, killed, table):
    task_for(gate)
    with locked(f"LOCK TABLE {table} IN EXCLUSIVE MODE"):
        killed(is_waiting_for_a_lock)
    assert not mail_server.offered
    all_is_told(mail_server, alice, offered=1)


@pytest.mark.parametrize("step", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_killed_before_the_server_has_taken_it(gate, alice, mail_server, killed, step):
    task_for(gate)
    there: list[str] = []

    def hang() -> None:
        there.append(step)
        del mail_server.before[step]
        wait_until(lambda: len(there) > 1, seconds=60)

    mail_server.before[step] = hang
    # What it hangs at is refused in the end: the server has heard that the caller is gone.
    mail_server.answers = {step: "451 Never mind"}
    try:
        killed(lambda: bool(there))
    finally:
        there.append("go on")
    assert Mail.objects.get().status == "sending"
    time.sleep(0.3)
    mail_server.answers.clear()
    all_is_told(mail_server, alice, offered=1)


def test_killed_when_the_server_has_taken_it_and_not_yet_said_so(gate, alice, mail_server, killed):
    task_for(gate)
    there: list[str] = []

    def hang() -> None:
        there.append("taken")
        del mail_server.before["TAKEN"]
        wait_until(lambda: len(there) > 1, seconds=60)

    mail_server.before["TAKEN"] = hang
    try:
        killed(lambda: bool(there))
    finally:
        there.append("go on")
    assert mail_server.offered
    all_is_told(mail_server, alice, offered=2)


def test_killed_when_the_server_has_said_so_and_it_is_not_yet_written_down(
    gate, alice, mail_server, killed
):
    """Recording waits for the table of audit events; the server has long said 250."""
    task_for(gate)
    with locked("LOCK TABLE approvals_auditevent IN EXCLUSIVE MODE"):
        killed(lambda: bool(mail_server.offered) and is_waiting_for_a_lock())
    assert Mail.objects.get().status == "sending"
    all_is_told(mail_server, alice, offered=2)


def test_killed_once_it_is_written_down(gate, alice, mail_server, killed):
    """The first of two mails is sent, the second is in hand."""
    task_for(gate)
    task_for(gate)
    sent: list[str] = []

    def second() -> None:
        sent.append("MAIL")
        if len(sent) == 2:
            wait_until(lambda: len(sent) > 2, seconds=60)

    mail_server.before["MAIL"] = second
    try:
        killed(lambda: len(sent) == 2)
    finally:
        mail_server.before.clear()
        sent.append("go on")
    assert sorted(Mail.objects.values_list("status", flat=True)) == ["sending", "sent"]
    for _ in range(2):
        let_time_pass()
        tell_people()
    assert len(mail_server.mails_to(alice.email)) == len(mail_server.offered) == 2
    assert AuditEvent.objects.filter(action="mailed").count() == 2


def test_a_worker_sends_by_itself_without_a_broker_and_another_goes_on_when_it_is_killed(
    gate, alice, bob, mail_server, worker
):
    first = worker("mails", BROKER_URL=NO_BROKER, EMAIL_URL=mail_server.url)
    task_for(gate)
    wait_until(lambda: len(mail_server.offered) == 2, seconds=60)
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=10)
    assert os.environ["BROKER_URL"] != NO_BROKER
    let_time_pass()
    task_for(gate)
    worker("callbacks,mails", BROKER_URL=NO_BROKER, EMAIL_URL=mail_server.url)
    wait_until(lambda: Mail.objects.filter(status="sent").count() == 4, seconds=60)
    assert [len(mail_server.mails_to(one.email)) for one in (alice, bob)] == [2, 2]
