"""NOTICES, second step: an occasion becomes a notice for each person whom it concerns, and goes.

One transaction a batch: whoever dies in the middle has done nothing. Where a batch fails, each goes
by itself, so that one that fails in a way nobody thought of does not hold up those behind it.
"""

import datetime as dt
import time
import zoneinfo
from collections.abc import Iterable, Sequence

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from approvals.models import Notice, Occasion, User
from approvals.notices.audience import audience

log = structlog.get_logger(__name__)

Kind = Occasion.Kind

BATCH = 200
RETRY = dt.timedelta(minutes=1)  # of one that failed
DIGEST_HOUR = 8  # of the day, where they are

# What can't wait for the next digest.
URGENT = (Kind.RUNNING_OUT, Kind.ESCALATED, Kind.HANDED_OVER, Kind.MOVED, Kind.ASKED)
_NOWHERE = "django.core.mail.backends.dummy.EmailBackend"


def mails_are_sent() -> bool:
    """Whether this installation has a way to send mails."""
    return bool(settings.EMAIL_BACKEND != _NOWHERE)


def expand_due(*, seconds: float = 10.0) -> int:
    """Find out whom everything concerns that has happened, for some `seconds`; how many occasions.

    Where no mails are sent they are dropped: nobody waits for a flood once they are.
    """
    until, done = time.monotonic() + seconds, 0
    while count := _next():
        done += count
        if count < BATCH or time.monotonic() > until:
            break
    return done


def _next() -> int:
    try:
        return _expand()
    except Exception as error:
        log.error("occasions failed together", exc_info=error)
        return _each_by_itself()


def _each_by_itself() -> int:
    due = Occasion.objects.filter(at__lte=Now()).order_by("at", "id")
    batch = list(due.values_list("pk", flat=True)[:BATCH])
    for pk in batch:
        try:
            _expand(pk=pk)
        except Exception as error:
            log.error("occasion failed", occasion=str(pk), exc_info=error)
            Occasion.objects.filter(pk=pk).update(at=Now() + RETRY)
    return len(batch)


@transaction.atomic
def _expand(**which: object) -> int:
    occasions = list(
        Occasion.objects.filter(at__lte=Now(), **which)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("task__gate")
        .only(
            *("kind", "actor", "person", "stage", "data", "at", "task__gate", "task__stage"),
            *("task__status", "task__requester", "task__settled_reason"),
            *("task__gate__mails", "task__gate__kind"),
        )
        .annotate(now=Now())
        .order_by("at", "id")[:BATCH]
    )
    if occasions and mails_are_sent():
        notices = _notices(occasions, occasions[0].now)
        Notice.objects.bulk_create(notices, ignore_conflicts=True, batch_size=2_000)
    Occasion.objects.filter(pk__in=[one.pk for one in occasions]).delete()
    return len(occasions)


def _notices(occasions: Sequence[Occasion], now: dt.datetime) -> Iterable[Notice]:
    told = audience(occasions)
    people = reachable({person for _, ids in told for person in ids}).in_bulk()
    for occasion, ids in told:
        for person in sorted(ids & people.keys()):
            yield Notice(
                occasion_id=occasion.pk,
                person=people[person],
                task_id=occasion.task_id,
                kind=occasion.kind,
                data=occasion.data,
                due_at=due_at(people[person], occasion.kind, now),
            )


def reachable(people: Iterable[int]) -> "QuerySet[User]":
    """Those of `people` to whom mails may go."""
    return (
        User.objects.filter(pk__in=set(people), is_active=True, mail_refused_at=None)
        .exclude(email="")
        .exclude(mails=User.Mails.OFF)
    )


def due_at(person: User, kind: str, now: dt.datetime) -> dt.datetime:
    """When to put a notice into a mail: now, or with their next digest."""
    if person.mails == User.Mails.AT_ONCE or kind in URGENT:
        return now
    zone = zoneinfo.ZoneInfo(person.time_zone or settings.TIME_ZONE)
    local = now.astimezone(zone)
    if person.mails == User.Mails.HOURLY:
        hour = local.replace(minute=0, second=0, microsecond=0)
        return hour.astimezone(dt.UTC) + dt.timedelta(hours=1)
    for day in (local.date(), local.date() + dt.timedelta(days=1)):
        morning = dt.datetime.combine(day, dt.time(DIGEST_HOUR), zone).astimezone(dt.UTC)
        if morning > now:
            break
    return morning
