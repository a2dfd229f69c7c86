"""When people work: what a gate's times are counted in."""

import zoneinfo

from django.core.exceptions import ValidationError
from django.db import models

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def office_hours() -> dict[str, list[list[str]]]:
    return {day: [["09:00", "17:00"]] for day in WEEKDAYS[:5]}


def validate_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError("That is not a time zone. Try for example Europe/Vienna.")


class Calendar(models.Model):
    """Working hours by weekday, less holidays: those of a country, and days of one's own."""

    name = models.CharField(max_length=100, unique=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_zone])
    # {"mon": [["09:00", "12:00"], ["13:00", "17:00"]], …}; a day that is not there is free.
    hours = models.JSONField("working hours", default=office_hours)
    country = models.CharField(
        "holidays of",
        max_length=2,
        blank=True,
        help_text="A country by two letters, such as AT. Blank: none.",
    )
    subdivision = models.CharField(
        "and of its part", max_length=10, blank=True, help_text="For example BY for Bavaria."
    )
    closed = models.JSONField(
        "also closed on", default=list, blank=True, help_text="Days, such as 2026-12-24."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
