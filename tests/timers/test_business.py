"""Working time: counted by the minute, over nights in which the clock is changed, over holidays."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings, strategies as st

from approvals.models import Calendar
from approvals.models.calendar import WEEKDAYS
from approvals.timers.business import LONGEST, add, amount, check_calendar

VIENNA = ZoneInfo("Europe/Vienna")
MINUTE = dt.timedelta(minutes=1)


def at(text: str, zone: str = "Europe/Vienna") -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)


def office(**fields: object) -> Calendar:
    return Calendar(**{"name": "Office", "time_zone": "Europe/Vienna", **fields})


def test_around_the_clock_where_there_is_no_calendar():
    assert add(None, at("2026-11-20T23:30"), 90) == at("2026-11-21T01:00")


@pytest.mark.parametrize(
    ("since", "minutes", "until"),
    [
        ("2026-11-20T16:00", 60, "2026-11-20T17:00"),  # a Friday; done by the end of the day
        ("2026-11-20T16:00", 61, "2026-11-23T09:01"),
        ("2026-11-20T18:00", 60, "2026-11-23T10:00"),  # after work
        ("2026-11-21T12:00", 8 * 60, "2026-11-23T17:00"),  # on a Saturday
        ("2026-12-23T16:00", 120, "2026-12-28T10:00"),  # closed on the 24th, holidays, a weekend
    ],
)
def test_working_time_of_an_office(since, minutes, until):
    calendar = office(country="AT", closed=["2026-12-24"])
    assert add(calendar, at(since), minutes) == at(until)


def test_a_part_of_a_country_has_holidays_of_its_own():
    for part, until in (("BY", "2027-01-07T10:00"), ("BE", "2027-01-06T10:00")):
        calendar = office(time_zone="Europe/Berlin", country="DE", subdivision=part)
        assert add(calendar, at("2027-01-05T17:00"), 60) == at(until), part


def test_a_night_shift_is_an_hour_shorter_or_longer_when_the_clock_is_changed():
    nights = office(hours={day: [["00:00", "06:00"]] for day in WEEKDAYS})
    for day, hours in (("2026-03-28", 6), ("2026-03-29", 5), ("2026-10-25", 7)):
        begins = at(f"{day}T00:00")
        assert add(nights, begins, hours * 60) == at(f"{day}T06:00")
        assert add(nights, begins, hours * 60 + 1) > at(f"{day}T23:00")


def test_hours_that_the_clock_skips_are_not_worked():
    skipped = office(hours={"sun": [["02:00", "03:00"]]})
    assert add(skipped, at("2026-03-28T12:00"), 30) == at("2026-04-05T02:30")


def test_a_calendar_that_is_hardly_ever_open_does_not_loop():
    start = at("2026-11-20T16:00")
    assert add(office(hours={}), start, 1) == start + LONGEST
    assert add(office(), start, 2**31) == start + LONGEST
    assert add(None, start, 2**31) == start + LONGEST


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"time_zone": "Europe/Wien"}, "not a time zone"),
        ({"hours": {}}, "never open"),
        ({"hours": ["mon"]}, "by day"),
        ({"hours": {"monday": [["09:00", "17:00"]]}}, "by day"),
        ({"hours": {"mon": [["9", "17:00"]]}}, "spans such as"),
        ({"hours": {"mon": [[9, 17]]}}, "spans such as"),
        ({"hours": {"mon": 5}}, "spans such as"),
        ({"hours": {"mon": [["17:00", "09:00"]]}}, "end after they begin"),
        ({"hours": {"mon": [["09:00", "24:01"]]}}, "spans such as"),
        ({"hours": {"mon": [["09:00", "12:00"], ["11:59", "17:00"]]}}, "overlap"),
        ({"country": "XX"}, "No holidays are known"),
        ({"country": "DE", "subdivision": "ZZ"}, "has no part"),
        ({"subdivision": "BY"}, "Say of which country"),
        ({"closed": ["24.12.2026"]}, "2026-12-24"),
        ({"closed": "never"}, "2026-12-24"),
        ({"closed": None}, "2026-12-24"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused_with_the_reason(fields, says):
    with pytest.raises(ValidationError, match=says):
        check_calendar(office(**fields))


@pytest.mark.parametrize(
    "fields", [{}, {"country": "at"}, {"hours": {"sat": [["00:00", "12:00"], ["12:00", "24:00"]]}}]
)
def test_a_calendar_that_makes_sense_is_taken(fields):
    check_calendar(office(**fields))


def test_amounts_are_said_in_the_largest_unit_that_leaves_no_rest():
    said = [
        amount(30),
        amount(90),
        amount(120),
        amount(1440),
        amount(2880),
        amount(2880, "working "),
    ]
    assert said == ["30 min", "90 min", "2 h", "24 h", "2 days", "48 working h"]


# --- properties ---

ZONES = ("Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata")


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    hours = {}
    for day in WEEKDAYS:
        marks = sorted(draw(st.sets(st.integers(0, 48), max_size=4)))
        pairs = list(zip(marks[::2], marks[1::2], strict=False))
        hours[day] = [[f"{m // 2:02}:{m % 2 * 30:02}" for m in pair] for pair in pairs]
    hours["wed"] = hours["wed"] or [["09:00", "17:00"]]
    return Calendar(
        name="any",
        time_zone=draw(st.sampled_from(ZONES)),
        hours=hours,
        closed=draw(
            st.lists(st.dates(dt.date(2026, 3, 1), dt.date(2026, 11, 30)), max_size=3).map(
                lambda days: [day.isoformat() for day in days]
            )
        ),
    )


# Around the nights in which clocks are changed, mostly.
starts = st.one_of(
    st.sampled_from(["2026-03-07", "2026-03-28", "2026-04-04", "2026-04-23", "2026-10-24",
                     "2026-10-29", "2026-10-31"]).map(lambda day: at(f"{day}T12:00", "UTC")),
    st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2026, 12, 1), timezones=st.just(dt.UTC)),
)  # fmt: skip
minutes = st.integers(0, 3_000)


@given(calendars(), starts, minutes, minutes)
@settings(max_examples=150, deadline=None)
def test_adding_in_two_steps_is_adding_at_once_and_more_is_never_earlier(calendar, start, a, b):
    one = add(calendar, start, a)
    both = add(calendar, start, a + b)
    assert start <= one <= both
    if both < start + LONGEST:  # nothing is later than that, counted from either start
        assert add(calendar, one, b) == both
    assert add(calendar, start + b * MINUTE, a) >= one


@given(calendars(), starts, st.integers(1, 600))
@settings(max_examples=60, deadline=None)
def test_the_minutes_worked_until_then_are_as_many_as_were_asked_for(calendar, start, asked):
    start = start.replace(second=0, microsecond=0)
    end = add(calendar, start, asked)
    if end == start + LONGEST:
        return
    span = int((end - start) / MINUTE)
    if span > 20_000:  # two weeks are counted, more takes too long
        return
    worked = minutes_worked(calendar, start, span)
    assert sum(worked) == asked
    assert worked[-1], "it ends in working time"


def minutes_worked(calendar: Calendar, start: dt.datetime, span: int) -> list[bool]:
    """Minute by minute, as somebody sees it who watches the clock from two days before: what it
    has shown already it does not show for the first time again."""
    zone = ZoneInfo(calendar.time_zone)
    shown = dt.datetime.min
    found = []
    for minute in range(-2 * 1440, span):
        there = (start + minute * MINUTE).astimezone(zone).replace(tzinfo=None)
        shown = max(shown, there)
        if minute < 0:
            continue
        text = f"{shown:%H:%M}"
        day = shown.date().isoformat()
        open_now = day not in calendar.closed and any(
            a <= text < b for a, b in calendar.hours[WEEKDAYS[shown.weekday()]]
        )
        found.append(open_now)
    return found
