"""OPERATIONS, looked up: what is in quarantine, filtered and a page at a time. Reads only."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan

from approvals.models import QuarantinedMessage
from approvals.operations.queries import Found, newest_first

# Of the newest so many is counted by source and reason: nobody waits for a count of millions.
TALLIED = 10_000
# So many are replayed by one press, each in a transaction of its own.
BATCH = 100


@dataclass(frozen=True, slots=True)
class View:
    """Which messages to look at; blank fields ask for nothing."""

    source_id: int | None = None
    code: str = ""


@dataclass(slots=True)
class Tally:
    """How many messages there are by source and by reason, each within the other's filter."""

    total: int = 0
    sources: Counter[tuple[int, str]] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def counted(self) -> str:
        return f"{TALLIED:,}+" if self.total > TALLIED else f"{self.total:,}"


def page(view: View, after: UUID | None = None) -> Found:
    """The newest messages of a view, or those older than the message `after`."""
    rows = (
        _of(view)
        .select_related("source")
        .only("code", "reason", "shown", "received_at", "source__name", "source__kind")
    )
    return newest_first(rows, "received_at", after)


def tally(view: View) -> Tally:
    """One query, whatever the view."""
    held = _held()
    newest = held.order_by("-received_at", "-id").values("pk")[: TALLIED + 1]
    found = Tally()
    for source_id, name, code, count in (
        held.filter(pk__in=newest)
        .values_list("source_id", "source__name", "code")
        .annotate(count=Count("pk"))
        .order_by("source__name", "code")
    ):
        found.total += count
        if view.code in ("", code):
            found.sources[source_id, name] += count
        if view.source_id in (None, source_id):
            found.codes[code] += count
    return found


def to_replay(view: View, beyond: UUID | None = None) -> list[UUID]:
    """The next batch of a view, the oldest first; `beyond` is the last one of the batch before, so
    that those which are still not understood don't stand in the way of the others."""
    rows = _of(view)
    if beyond:
        last = QuarantinedMessage.objects.filter(pk=beyond).values_list("received_at", "pk").first()
        rows = rows.filter(TupleGreaterThan(Tuple("received_at", "id"), last)) if last else rows
    return list(rows.order_by("received_at", "id").values_list("pk", flat=True)[:BATCH])


def _held() -> QuerySet[QuarantinedMessage]:
    return QuarantinedMessage.objects.filter(status=QuarantinedMessage.Status.HELD)


def _of(view: View) -> QuerySet[QuarantinedMessage]:
    wanted: dict[str, Any] = {}
    if view.source_id is not None:
        wanted["source"] = view.source_id
    if view.code:
        wanted["code"] = view.code
    return _held().filter(**wanted)
