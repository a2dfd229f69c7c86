"""A mail server that counts what it is offered, and tasks that people are told about."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models.functions import Now

from approvals.decisions.decide import Outcome, decide
from approvals.jobs import tell_people
from approvals.models import ApprovalTask, Decision, Mail, Notice, User
from approvals.states import Verdict
from tests.conftest import person
from tests.fakes.mail_server import MailServer


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    """The one of this installation: of the test's process, and by its `url` of others."""
    with MailServer().running() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", int(server.url.rpartition(":")[2])
        settings.EMAIL_TIMEOUT = 5
        yield server


def mailed(server: MailServer, *people: User) -> list[int]:
    """How many mails each of `people` has got, after everything due was sent."""
    tell_people()
    return [len(server.mails_to(one.email)) for one in people]


def approve(task: ApprovalTask, user: User, verdict: Verdict = Verdict.APPROVE) -> Outcome:
    return decide(task.pk, person(user), verdict, comment="Because", via=Decision.Via.INBOX)


def let_time_pass() -> None:
    """Pauses, leases and digests are due."""
    before = Now() - dt.timedelta(seconds=1)
    Mail.objects.filter(status__in=["due", "sending"]).update(due_at=before)
    Notice.objects.filter(mail=None).update(due_at=before)


def yesterday() -> None:
    """What was mailed so far was mailed long ago."""
    Mail.objects.update(created_at=Now() - dt.timedelta(days=1))
