"""WHEN, looked over: a gate's times that can't work together, or not with the engine's own."""

import datetime as dt
from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.db.models import DurationField, F, Min, Q
from django.utils import timezone

from approvals.models import ApprovalTask, Gate
from approvals.timers import business
from approvals.timers.business import amount

RECENT = dt.timedelta(days=30)
_LOOKED_AT = 200  # tasks

_DEFAULT_WARNING = Gate._meta.get_field("warn_before_minutes").default

# Within what the engine stops waiting, and who says so.
Limit = tuple[dt.timedelta, str]


def of(gate: Gate) -> list[str]:
    """What to change, a sentence each; two queries at most, one of them where it has a calendar."""
    if gate.kind != Gate.Kind.PEOPLE:
        return []
    return [*_among_themselves(gate), *_beyond_the_engine(gate)]


def _among_themselves(gate: Gate) -> Iterator[str]:
    remind, escalate = gate.remind_after_minutes, gate.escalate_after_minutes
    within, warn = gate.decide_within_minutes, gate.warn_before_minutes
    if remind and escalate and remind >= escalate:
        yield (
            "It escalates before the first reminder. Remind sooner than after "
            f"{amount(escalate)}, or escalate later."
        )
    if within and remind and remind >= within:
        yield f"Nobody is ever reminded: remind sooner than after {amount(within)}."
    if within and escalate and escalate >= within:
        yield f"It is never escalated: escalate sooner than after {amount(within)}."
    # The default, which nobody chose, may well be longer than a short time to decide.
    if within and warn and warn >= within and warn != _DEFAULT_WARNING:
        yield (
            "The warning would come before the task itself, so there is none: warn less than "
            f"{amount(within)} before time runs out."
        )
    if within and gate.undo_seconds >= within * 60:
        yield "A decision can be undone for longer than there is to decide. Shorten the undo."
    if gate.remind_every_minutes and not remind:
        yield "Nobody is reminded again, as there is no first reminder: say after how long."
    if remind and not gate.mails:
        yield "Reminders are mails, and nobody is mailed at this gate. Have reviewers mailed."


def _beyond_the_engine(gate: Gate) -> Iterator[str]:
    limit = _limit(gate)
    if limit is None:
        if gate.at_deadline != Gate.AtDeadline.NOTHING and not gate.decide_within_minutes:
            yield (
                "What happens if nobody has decided happens only where the workflow has a "
                "deadline. Say within how long it is to be decided."
            )
        return
    span, who = limit
    times = {
        "Reminders come": gate.remind_after_minutes,
        "Escalating comes": gate.escalate_after_minutes,
        "What it is to be decided within ends": gate.decide_within_minutes,
    }
    for what, minutes in times.items():
        if minutes and _lasts(gate, minutes) >= span:
            yield (
                f"{what} after {amount(minutes)}, but {who} after {_said(span)}. "
                f"Choose less, or give the state a longer TimeoutSeconds."
            )
    if gate.undo_seconds >= span.total_seconds() / 4:
        yield (
            f"A decision can be undone for {gate.undo_seconds} s, but {who} after {_said(span)}; "
            "so it will be less. Shorten the undo."
        )


def _limit(gate: Gate) -> Limit | None:
    """The least that is known: the gate's own word for it, and what its newest tasks had."""
    known: list[Limit] = []
    if gate.timeout_seconds:
        own = dt.timedelta(seconds=gate.timeout_seconds)
        known.append((own, "by this gate's own word the step times out"))
    if gate.pk and (seen := _least_seen(gate)):
        known.append((seen, "a step that waits here times out"))
    return min(known, default=None)


def _least_seen(gate: Gate) -> dt.timedelta | None:
    """Of some that wait and some that were settled last, each by its index."""
    tasks = ApprovalTask.objects.filter(gate=gate)
    waiting = tasks.pending().order_by("stage", "is_narrowed", "sort_deadline", "id")
    done = tasks.filter(settled_at__isnull=False).order_by("-settled_at", "-id")
    looked_at = ApprovalTask.objects.filter(
        Q(pk__in=waiting.values("pk")[:_LOOKED_AT]) | Q(pk__in=done.values("pk")[:_LOOKED_AT]),
        deadline__isnull=False,
        received_at__gt=timezone.now() - RECENT,
    )
    found: dt.timedelta | None = looked_at.aggregate(
        least=Min(F("deadline") - F("received_at"), output_field=DurationField())
    )["least"]
    return found


def _said(span: dt.timedelta) -> str:
    seconds = int(span.total_seconds())
    return amount(seconds // 60) if seconds >= 60 else f"{seconds} s"


def _lasts(gate: Gate, minutes: int) -> dt.timedelta:
    """By the clock on the wall, if it begins now."""
    now, calendar = timezone.now(), gate.calendar
    try:
        return business.add(calendar, now, minutes) - now
    except ValidationError:
        return dt.timedelta(minutes=minutes)
