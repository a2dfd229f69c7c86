"""WHEN, counted in working time: hours by the clock of one zone, less holidays. Pure.

A shift begins when that clock first shows its beginning, and ends when it first shows its end, so
that a night in which the clock is changed makes a shift an hour shorter or longer.
"""

import datetime as dt
import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import holidays
from django.core.exceptions import ValidationError

from approvals.models import Calendar
from approvals.models.calendar import WEEKDAYS, validate_zone

LONGEST = dt.timedelta(days=366)  # what takes longer is taken for as long
_DAY, _MINUTE = dt.timedelta(days=1), dt.timedelta(minutes=1)

Span = tuple[dt.datetime, dt.datetime]
Shifts = tuple[tuple[tuple[int, int], ...], ...]  # by weekday: minutes since midnight


def add(calendar: Calendar | None, start: dt.datetime, minutes: int) -> dt.datetime:
    """When so many minutes of working time have passed since `start`; UTC in, UTC out.

    `calendar` None: around the clock. Never later than `LONGEST` after `start`, also where the
    calendar is hardly ever open. Raises `ValidationError` where the calendar makes no sense.
    """
    last = start + LONGEST
    if calendar is None:
        return start + min(LONGEST, dt.timedelta(minutes=minutes))
    left = minutes * _MINUTE if minutes < LONGEST / _MINUTE else LONGEST
    for opens, closes in hours_of(calendar).since(start):
        if opens > last:
            break
        begins = max(opens, start)
        if begins + left <= closes:
            return min(begins + left, last)
        left -= closes - begins
    return last


def check_calendar(calendar: Calendar) -> None:
    """Raises `ValidationError`, by field, where the calendar makes no sense or is never open."""
    hours = hours_of(calendar)
    today = dt.datetime.now(dt.UTC)
    if next(hours.since(today), (today + LONGEST * 2,))[0] > today + LONGEST:
        raise ValidationError({"hours": "It is never open. Give at least one day its hours."})


def amount(minutes: int, working: str = "") -> str:
    """In the largest unit that leaves no rest: 90 → "90 min", 120 → "2 h", 2880 → "2 days".

    `working`: a word before the unit; days of working time are no days, so hours stay then.
    """
    if minutes % 60:
        return f"{minutes} {working}min"
    hours = minutes // 60
    if working or hours % 24 or hours < 48:
        return f"{hours} {working}h"
    return f"{hours // 24} days"


class Hours:
    """A calendar, read once; remembers the shifts of each day."""

    def __init__(
        self, zone: str, shifts: Shifts, country: str, part: str, closed: frozenset[dt.date]
    ) -> None:
        self._zone, self._shifts, self._closed = ZoneInfo(zone), shifts, closed
        self._country, self._part = country, part
        self._days: dict[dt.date, tuple[Span, ...]] = {}

    def since(self, start: dt.datetime) -> Iterator[Span]:
        """The shifts that have not ended before `start`, in UTC, for a year and a bit."""
        day = start.astimezone(self._zone).date() - _DAY
        for _ in range(LONGEST.days + 3):
            if (spans := self._days.get(day)) is None:
                spans = self._days[day] = tuple(self._read(day))
            yield from (span for span in spans if span[1] >= start)
            day += _DAY

    def _read(self, day: dt.date) -> Iterator[Span]:
        if day in self._closed:
            return
        if self._country and day in _holidays(self._country, self._part, day.year):
            return
        for begins, ends in self._shifts[day.weekday()]:
            span = self._at(day, begins), self._at(day, ends)
            if span[0] < span[1]:  # not one that the clock skips
                yield span

    def _at(self, day: dt.date, minutes: int) -> dt.datetime:
        """The moment at which the zone's clock first shows this time, or has skipped it."""
        there = dt.datetime.combine(day, dt.time()) + minutes * _MINUTE
        moment = there.replace(tzinfo=self._zone).astimezone(dt.UTC)
        if moment.astimezone(self._zone).replace(tzinfo=None) == there:
            return moment
        # Skipped: the clock showed an earlier time up to the moment it was put forward.
        before = moment - _MINUTE
        while before.astimezone(self._zone).replace(tzinfo=None) > there:
            moment, before = before, before - _MINUTE
        return moment


def hours_of(calendar: Calendar) -> Hours:
    """Raises `ValidationError`, by field, where the calendar makes no sense."""
    return _hours_of(
        calendar.time_zone,
        json.dumps(calendar.hours),
        calendar.country.upper(),
        calendar.subdivision.upper(),
        json.dumps(calendar.closed),
    )


@lru_cache(maxsize=128)
def _hours_of(zone: str, hours: str, country: str, part: str, closed: str) -> Hours:
    try:
        validate_zone(zone)
    except ValidationError as error:
        raise ValidationError({"time_zone": error.messages}) from None
    if country or part:
        _check_country(country, part)
    return Hours(zone, _shifts(json.loads(hours)), country, part, _closed(json.loads(closed)))


def _shifts(hours: object) -> Shifts:
    if not isinstance(hours, dict) or not set(hours) <= set(WEEKDAYS):
        raise ValidationError({"hours": f"Give hours by day: {', '.join(WEEKDAYS)}."})
    return tuple(_day(name, hours.get(name, [])) for name in WEEKDAYS)


def _day(name: str, pairs: object) -> tuple[tuple[int, int], ...]:
    try:
        found = tuple(sorted((_minutes(a), _minutes(b)) for a, b in pairs))  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise ValidationError(
            {"hours": f"“{name}”: write spans such as 09:00-12:00, 13:00-17:00."}
        ) from None
    if any(begins >= ends for begins, ends in found):
        raise ValidationError({"hours": f"“{name}”: hours end after they begin, by 24:00 at most."})
    if any(one[1] > after[0] for one, after in pairwise(found)):
        raise ValidationError({"hours": f"“{name}”: hours overlap."})
    return found


def _minutes(text: object) -> int:
    """Since midnight; 24:00 is its end."""
    hour, _, minute = str(text).partition(":")
    if not (len(hour) == len(minute) == 2 and (hour + minute).isdecimal()):
        raise ValueError(text)
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > 24 * 60:
        raise ValueError(text)
    return found


def _closed(days: object) -> frozenset[dt.date]:
    try:
        return frozenset(map(dt.date.fromisoformat, days))  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise ValidationError({"closed": "Write days such as 2026-12-24."}) from None


def _check_country(country: str, part: str) -> None:
    if not country:
        raise ValidationError({"subdivision": "Say of which country this is a part."})
    try:
        known = holidays.country_holidays(country)
    except NotImplementedError:
        raise ValidationError(
            {"country": f"No holidays are known of “{country}”. Write two letters, such as AT."}
        ) from None
    parts = {*known.subdivisions, *known.subdivisions_aliases}
    if part and part not in {name.upper() for name in parts}:
        there = ", ".join(known.subdivisions) or "none"
        raise ValidationError({"subdivision": f"{country} has no part “{part}”: {there}."})


@lru_cache(maxsize=256)
def _holidays(country: str, part: str, year: int) -> frozenset[dt.date]:
    known = holidays.country_holidays(country)
    parts = [*known.subdivisions, *known.subdivisions_aliases]
    subdivision = next((name for name in parts if name.upper() == part), None) if part else None
    return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year))
