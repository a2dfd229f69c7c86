"""ADMIN, configuration: when people work, which the times of gates are counted in."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from approvals.admin.json_field import JsonField
from approvals.admin.on_the_record import OnTheRecord
from approvals.models import Calendar
from approvals.models.calendar import WEEKDAYS
from approvals.timers.business import check_calendar


class CalendarForm(forms.ModelForm):
    hours = JsonField(
        empty={},
        label="Working hours",
        help_text='By weekday: {"mon": [["09:00", "12:00"], ["13:00", "17:00"]]}. '
        "A day that is not there is free.",
    )
    closed = JsonField(
        empty=[], rows=3, label="Also closed on", help_text='A list of days: ["2026-12-24"].'
    )

    instance: Calendar

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            check_calendar(self.instance)
        except ValidationError as error:
            self.add_error(None, error)


@admin.register(Calendar)
class CalendarAdmin(OnTheRecord):
    form = CalendarForm
    list_display = ("name", "time_zone", "country", "week")
    search_fields = ("name",)
    readonly_fields = ("week",)
    fieldsets = (
        (None, {"fields": ("name", "time_zone")}),
        ("Working hours", {"fields": ("hours", "week")}),
        ("Days off", {"fields": ("country", "subdivision", "closed")}),
    )

    @admin.display(description="the week, as it is stored")
    def week(self, calendar: Calendar) -> SafeString | str:
        """Such as “Mon 09:00–12:00, 13:00–17:00”, a line a day."""
        lines = [
            (day.capitalize(), ", ".join("–".join(span) for span in calendar.hours[day]))
            for day in WEEKDAYS
            if calendar.hours.get(day)
        ]
        return format_html_join("\n", "<div>{} {}</div>", lines) or "No day"

    def get_changeform_initial_data(self, request: Any) -> dict[str, Any]:
        return {"hours": Calendar().hours, **super().get_changeform_initial_data(request)}
