"""NOTICES, long after: what nobody needs any more goes. The record keeps who was told."""

import datetime as dt
import time

from django.db import transaction
from django.db.models.functions import Now

from approvals.models import Link, Mail, Notice

LINKS, MAILS = dt.timedelta(days=30), dt.timedelta(days=90)
BATCH = 5_000

# Rows that somebody else has in hand are passed over: two who forget would wait crosswise.


def forget(*, seconds: float = 30.0) -> int:
    """Drop links that ran out a month ago, and mails of three months ago that need nobody's
    attention, for some `seconds`; how many rows of both went."""
    until, gone = time.monotonic() + seconds, 0
    while count := _links() + _mails():
        gone += count
        if time.monotonic() > until:
            break
    return gone


def _links() -> int:
    old = Link.objects.filter(expires_at__lt=Now() - LINKS).select_for_update(skip_locked=True)
    return Link.objects.filter(pk__in=old.values("pk")[:BATCH]).delete()[0]


@transaction.atomic
def _mails() -> int:
    old = Mail.objects.select_for_update(skip_locked=True).filter(
        status__in=[Mail.Status.SENT, Mail.Status.DROPPED], created_at__lt=Now() - MAILS
    )
    mails = list(old.values_list("pk", flat=True)[:BATCH])
    # Their notices first: one without a mail would be due again.
    Notice.objects.filter(mail__in=mails).delete()
    Mail.objects.filter(pk__in=mails).delete()
    return len(mails)
