"""The door, how times are written: short and relative, the absolute one beside it. Pure.

static/js/times.js writes the same words while a page stays open.
"""

import datetime as dt
from typing import NamedTuple

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

MINUTE, HOUR, DAY = 60, 3_600, 86_400
SOON = HOUR
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Left(NamedTuple):
    """Time left in words, and how urgent that is: "", "soon" or "late"."""

    words: str
    tone: str


def age(seconds: float) -> str:
    return "just now" if seconds < MINUTE else f"{_amount(seconds)} ago"


def left(seconds: float) -> Left:
    if seconds <= 0:
        return Left("time is up", "late")
    if seconds < MINUTE:
        return Left("under 1 min left", "soon")
    return Left(f"{_amount(seconds)} left", "soon" if seconds < SOON else "")


def span(seconds: float) -> str:
    """How long something lasts by now."""
    return "under 1 min" if seconds < MINUTE else _amount(seconds)


def seconds_ago(then: dt.datetime, now: dt.datetime) -> str:
    """As `age`, to the second below a minute: for signs of life."""
    seconds = max(0, int((now - then).total_seconds()))
    return f"{seconds} s ago" if seconds < MINUTE else age(seconds)


def absolute(there: dt.datetime) -> str:
    """22 Nov 2026, 12:03 CET, in the zone that `there` is in."""
    return (
        f"{there.day} {_MONTHS[there.month - 1]} {there.year}, "
        f"{there.hour:02}:{there.minute:02} {there.tzname()}"
    )


def clock(moment: dt.datetime) -> str:
    """12:03, in the reader's zone; with the day if that is not today."""
    there, today = timezone.localtime(moment), timezone.localdate()
    day = "" if there.date() == today else f"{there.day} {_MONTHS[there.month - 1]}, "
    return f"{day}{there.hour:02}:{there.minute:02}"


def clock_to_the_second(moment: dt.datetime) -> str:
    """12:03:20, in the reader's zone: for what comes within minutes."""
    return f"{timezone.localtime(moment):%H:%M:%S}"


def tag(moment: dt.datetime, words: str) -> SafeString:
    """A `<time>` with words of its own."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', *_machine_and_people(moment), words
    )


def span_tag(since: dt.datetime, now: dt.datetime) -> SafeString:
    """How long it lasts, likewise kept true by the page."""
    return format_html(
        '<time datetime="{}" title="{}" data-rel="span">{}</time>',
        *_machine_and_people(since),
        span((now - since).total_seconds()),
    )


def age_tag(moment: dt.datetime, now: dt.datetime) -> SafeString:
    """How long ago; the absolute time shows on hover and, by keyboard, on focus."""
    return format_html(
        '<time datetime="{}" title="{}" data-rel="age" tabindex="0">{}</time>',
        *_machine_and_people(moment),
        age((now - moment).total_seconds()),
    )


def left_tag(moment: dt.datetime, now: dt.datetime) -> SafeString:
    """How much time is left, likewise."""
    words, tone = left((moment - now).total_seconds())
    return format_html(
        '<time datetime="{}" title="{}" class="left {}" data-rel="left" tabindex="0">{}</time>',
        *_machine_and_people(moment),
        tone,
        words,
    )


def _machine_and_people(moment: dt.datetime) -> tuple[str, str]:
    return moment.isoformat(timespec="seconds"), absolute(timezone.localtime(moment))


def _amount(seconds: float) -> str:
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min"
    if seconds < 2 * DAY:
        return f"{int(seconds // HOUR)} h"
    return f"{int(seconds // DAY)} d"
