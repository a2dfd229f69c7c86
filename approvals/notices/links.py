"""NOTICES: the addresses in mails. Makes `Link` rows and finds them again; decides nothing.

The secret in an address is derived, so that each try of one mail holds the same, and stored
nowhere: a row knows its SHA-256. That digest, in hex, is the link's *fingerprint*: it names the
link where the session says who is there, and opens nothing by itself.
"""

import base64
import datetime as dt
import hashlib
from collections.abc import Iterable
from uuid import UUID

from django.conf import settings
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.crypto import salted_hmac

from approvals.models import ApprovalTask, Gate, Link, Mail, User


def address(mail: Mail, task: ApprovalTask, person: User) -> str:
    """The absolute address for one task of a mail; needs `task.gate`. One query."""
    return addresses(mail, [task], person)[task.pk]


def addresses(mail: Mail, tasks: Iterable[ApprovalTask], person: User) -> dict[UUID, str]:
    """The same for all tasks of a mail, by their ids; one query.

    A link's life is counted from the first try of its mail on.
    """
    secrets = {task: _secret(mail, task, person) for task in tasks}
    Link.objects.bulk_create(
        [
            Link(
                digest=_digest(secret),
                task=task,
                person=person,
                expires_at=Now() + dt.timedelta(hours=task.gate.link_hours),
                alone_until=_alone_until(task.gate),
            )
            for task, secret in secrets.items()
        ],
        ignore_conflicts=True,
    )
    return {
        task.pk: f"{settings.SITE_URL}{reverse('link', args=[secret])}"
        for task, secret in secrets.items()
    }


def by_secret(secret: str) -> "QuerySet[Link]":
    return _links().filter(digest=_digest(secret))


def by_fingerprint(fingerprint: str) -> "QuerySet[Link]":
    """`fingerprint`: 64 hex digits (`fingerprint_of`)."""
    return _links().filter(digest=bytes.fromhex(fingerprint))


def fingerprint_of(link: Link) -> str:
    return bytes(link.digest).hex()


def _links() -> "QuerySet[Link]":
    """With what the database's clock says of them: `is_expired`, `is_alone`."""
    return Link.objects.select_related("person").annotate(
        is_expired=_now(expires_at__lte=Now()),
        is_alone=_now(
            alone_until__isnull=False,
            alone_until__gt=Now(),
            # A gate that no longer allows it means it at once.
            task__gate__link_alone_minutes__isnull=False,
        ),
    )


def _now(**said: object) -> ExpressionWrapper:
    return ExpressionWrapper(Q(**said), output_field=BooleanField())


def _secret(mail: Mail, task: ApprovalTask, person: User) -> str:
    """43 characters for an address; they hold 256 bits."""
    about = f"{mail.pk}/{task.pk}/{person.pk}"
    raw = salted_hmac("approvals.notices.links", about, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _alone_until(gate: Gate) -> Now | None:
    if gate.link_alone_minutes is None:
        return None
    return Now() + dt.timedelta(minutes=gate.link_alone_minutes)  # type: ignore[return-value]
