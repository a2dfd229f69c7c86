"""OPERATIONS, looked up: everything that waits for somebody or something. Reads only.

Each list shows at most 50 and says how many there are, up to a thousand.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet, Value
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from approvals.models import Callback, Heartbeat, Mail, QuarantinedMessage, Source
from approvals.states import CallbackStatus

SHOWN = 50
FEW = 5  # of what has a page of its own
COUNTED = 1_000

# How long things take when nothing is wrong, with some air.
DELIVERY = dt.timedelta(minutes=1)
HEARTBEAT = dt.timedelta(seconds=10)
MAIL = dt.timedelta(minutes=5)
POLL = dt.timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Found:
    """One list: what is shown, how many there are in all, and where the next page begins."""

    rows: list[Any]
    count: int
    more: UUID | None = None

    @property
    def counted(self) -> str:
        return f"{COUNTED:,}+" if self.count > COUNTED else str(self.count)

    @property
    def hidden(self) -> int:
        return max(0, self.count - len(self.rows))


def dead(after: UUID | None = None) -> Found:
    """Callbacks that the engine refused for good, the newest first."""
    callbacks = _callbacks().filter(status=CallbackStatus.DEAD, set_aside_at=None)
    return newest_first(callbacks, "created_at", after)


def unconfirmed(after: UUID | None = None) -> Found:
    """Callbacks whose answer was lost, the newest first."""
    callbacks = _callbacks().filter(status=CallbackStatus.UNCONFIRMED, set_aside_at=None)
    return newest_first(callbacks, "created_at", after)


def waiting() -> Found:
    """Callbacks that have been owed for longer than delivery takes, the longest due first."""
    return _capped(
        _callbacks()
        .filter(
            status__in=[CallbackStatus.DUE, CallbackStatus.SENDING],
            created_at__lt=Now() - DELIVERY,
        )
        .order_by("due_at")
    )


def quarantine() -> Found:
    """The newest few messages that were not understood; all of them: `operations.held`."""
    held = (
        QuarantinedMessage.objects.filter(status=QuarantinedMessage.Status.HELD)
        .select_related("source")
        .only("code", "reason", "shown", "received_at", "source__name")
        .order_by("-received_at", "-id")
    )
    return _capped(held, FEW)


def heartbeats() -> Found:
    """Steps that were not told in time that we still wait, the most overdue first."""
    return _capped(
        Heartbeat.objects.filter(Q(due_at__lt=Now() - HEARTBEAT) | ~Q(error=""))
        .select_related("task", "connection")
        .only("due_at", "sent_at", "error", "every", "task__title", "connection__name")
        .order_by("due_at")
    )


def mails(after: UUID | None = None) -> Found:
    """Mails that were refused or given up, the newest first."""
    stuck = _mails().filter(status__in=[Mail.Status.BOUNCED, Mail.Status.DEAD])
    return newest_first(stuck, "created_at", after)


def unsent_mails() -> Found:
    """Mails that have been due for longer than sending takes, the longest due first."""
    return _capped(
        _mails()
        .filter(
            status__in=[Mail.Status.DUE, Mail.Status.SENDING],
            created_at__lt=Now() - MAIL,
        )
        .order_by("due_at")
    )


def sources() -> Found:
    """Enabled sources that report an error, are not being read, or fell silent."""
    unread = ~Q(kind__in=Source.CALLED) & (Q(last_poll_at=None) | Q(last_poll_at__lt=Now() - POLL))
    allowed = ExpressionWrapper(
        F("silent_after") * Value(dt.timedelta(hours=1)), output_field=DurationField()
    )
    silent = Q(silent_after__isnull=False, heard_at__lt=Now() - allowed)
    found = _capped(
        Source.objects.filter(enabled=True)
        .annotate(heard_at=Coalesce("last_message_at", "created_at"))
        .filter(~Q(last_error="") | unread | silent)
        .only("name", "kind", "silent_after", "last_poll_at", "last_message_at", "last_error")
    )
    for source in found.rows:
        source.silence = _silence(source)
    return found


def _silence(source: Any) -> str:
    """“No message for 26 hours; one was expected within 24 hours”, or blank."""
    hours = (timezone.now() - source.heard_at) // dt.timedelta(hours=1)
    if source.silent_after is None or hours < source.silent_after:
        return ""
    passed = _many(hours, "hour") if hours < 48 else _many(hours // 24, "day")
    return f"No message for {passed}; one was expected within {_many(source.silent_after, 'hour')}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# In the order of the flow's urgency: what loses an answer comes first.
LISTS: dict[str, Callable[[], Found]] = {
    "dead": dead,
    "unconfirmed": unconfirmed,
    "waiting": waiting,
    "heartbeats": heartbeats,
    "mails": mails,
    "unsent_mails": unsent_mails,
    "quarantine": quarantine,
    "sources": sources,
}
# Lists that are worked through one by one, so that they have pages; the rows of the others share
# one cause.
PAGED: dict[str, Callable[[UUID | None], Found]] = {
    "dead": dead,
    "unconfirmed": unconfirmed,
    "mails": mails,
}


def failing_mail() -> str:
    """Why the mail that was tried last was not sent; blank where it was, or none is due."""
    due = Mail.objects.filter(status=Mail.Status.DUE, failures__gt=0).order_by("-id").first()
    if due is None:
        return ""
    # Of the last hour alone: none of a million has to be looked at for its time.
    since = due.created_at - dt.timedelta(hours=1)
    sent = Mail.objects.filter(status=Mail.Status.SENT, created_at__gt=since)
    return "" if sent.filter(sent_at__gt=due.created_at).exists() else due.last_error


def _mails() -> QuerySet[Mail]:
    return Mail.objects.select_related("person").only(
        *("status", "address", "subject", "due_at", "failures", "last_error", "created_at"),
        *("person__first_name", "person__last_name", "person__username", "person__email"),
        "person__mail_refused_at",
    )


def _callbacks() -> QuerySet[Callback]:
    return Callback.objects.select_related("task__gate").only(
        "status",
        "kind",
        "due_at",
        "fence",
        "last_error",
        "created_at",
        "task__title",
        "task__execution_name",
        "task__gate__name",
    )


def newest_first(rows: QuerySet[Any], at: str, after: UUID | None) -> Found:
    """One page by (`at`, id); `after` is the last row of the page before."""
    count = _count(rows)
    if after:
        last = rows.model._default_manager.filter(pk=after).values_list(at, "pk").first()
        rows = rows.filter(TupleLessThan(Tuple(at, "id"), last)) if last else rows.none()
    found = list(rows.order_by(f"-{at}", "-id")[: SHOWN + 1])
    return Found(found[:SHOWN], count, found[SHOWN - 1].pk if len(found) > SHOWN else None)


def _capped(rows: QuerySet[Any], shown: int | None = None) -> Found:
    return Found(list(rows[: shown or SHOWN]), _count(rows))


def _count(rows: QuerySet[Any]) -> int:
    """How many, or one more than a thousand: nobody waits for a count of millions."""
    return rows.order_by().values("pk")[: COUNTED + 1].count()
