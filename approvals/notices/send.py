"""NOTICES, last step: a mail is taken, written, handed to the mail server, and its end recorded.

No transaction is open meanwhile. What a mail's reader could find twice is what was handed over by
a process that died before it wrote that down; both copies have one Message-ID.
"""

import threading
import time
import traceback
from collections.abc import Sequence
from email.utils import parseaddr
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.urls import reverse

from approvals.callbacks.backoff import pause
from approvals.models import Mail, Notice, Occasion
from approvals.notices import outbox
from approvals.notices.expand import mails_are_sent
from approvals.notices.render import render
from approvals.notices.results import Result, result_of
from approvals.people.eligibility import Person

log = structlog.get_logger(__name__)

Status = Mail.Status

BATCH = 100  # over one connection

# However slow the mail server is, it holds one thread of a process.
_one_at_a_time = threading.Lock()


def send_due(*, seconds: float = 20.0) -> int:
    """Send what is due, for some `seconds`, over one connection; how many mails were tried.

    0 at once where this process is already at it.
    """
    if not mails_are_sent() or not _one_at_a_time.acquire(blocking=False):
        return 0
    server = get_connection()
    until, tried = time.monotonic() + seconds, 0
    try:
        while tried < BATCH and time.monotonic() < until and (lease := outbox.take()):
            tried += 1
            if not _send(lease, server):
                break
    finally:
        _hang_up(server)
        _one_at_a_time.release()
    return tried


def _send(lease: outbox.Lease, server: Any) -> bool:
    """Try one mail once. False where the way to the server is the trouble."""
    mail, opened = lease.mail, None
    notices = _readable(outbox.still_wanted(_notices_of(mail)))
    if not notices:
        outbox.finish(lease, Status.DROPPED)
        return True
    if mail.failures >= outbox.MOST_FAILURES:
        outbox.finish(lease, Status.DEAD, error=mail.last_error or outbox.DIED)
        return True
    try:
        message = _message(mail, notices)
        mail.subject = message.subject[:300]
        opened = server.open()
        server.send_messages([message])
    except Exception as error:  # whatever it is: the mail says why, and is tried again
        result = result_of(error)
        _failed(lease, notices, result, error)
        _hang_up(server)
        # A connection that was open already may have been closed for its age alone.
        return not result.is_way or opened is False
    taken_as = getattr(getattr(message, "anymail_status", None), "message_id", None)
    outbox.finish(
        lease,
        Status.SENT,
        notices,
        provider_id="" if taken_as is None else str(taken_as)[:200],
    )
    return True


def _failed(
    lease: outbox.Lease, notices: Sequence[Notice], result: Result, error: Exception
) -> None:
    status, failures = result.status, lease.mail.failures + 1
    if status == Status.DUE and failures >= outbox.MOST_FAILURES:
        status = Status.DEAD
    outbox.finish(lease, status, notices, error=result.words, retry_in=pause(failures))
    # Not the words: a server repeats the address in them, an exception of ours maybe a link.
    log.warning(
        "mail not sent",
        mail=str(lease.mail.pk),
        attempt=lease.fence,
        now=status,
        error=type(error).__name__,
        where="".join(traceback.format_tb(error.__traceback__)) if result.is_bug else None,
    )


def _notices_of(mail: Mail) -> list[Notice]:
    secret = ("task__token_ciphertext", "task__token_digest", "task__search")
    notices = Notice.objects.filter(mail=mail).select_related("person", "task__gate")
    return list(notices.defer(*secret).order_by("created_at", "id"))


def _readable(notices: Sequence[Notice]) -> list[Notice]:
    """Without those of tasks that their reader may not see (any more): the mail would show them.
    Whoever requested or decided one is told of its end all the same."""
    if not notices:
        return []
    person = Person(notices[0].person)
    return [
        one
        for one in notices
        if person.can_see(one.task)
        or (one.kind == Occasion.Kind.SETTLED and one.task.requester_id == person.user.pk)
        or one.task.decisions.standing().filter(reviewer=person.user).exists()
    ]


def _message(mail: Mail, notices: Sequence[Notice]) -> EmailMultiAlternatives:
    """The same Message-ID at each try: mail stores drop, or show as one, what has one already."""
    rendered = render(mail, notices)
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    message = EmailMultiAlternatives(
        rendered.subject,
        rendered.text,
        to=[mail.address],
        headers={
            "Message-ID": f"<{mail.pk}@{domain}>",
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "List-Unsubscribe": f"<{settings.SITE_URL}{reverse('preferences')}>",
        },
    )
    message.attach_alternative(rendered.html, "text/html")
    return message


def _hang_up(server: Any) -> None:
    try:
        server.close()
    except Exception as error:  # it has hung up already
        log.debug("mail connection ended badly", error=type(error).__name__)
