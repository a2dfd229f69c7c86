"""ADMIN, configuration: when people work, which the times of gates are counted in."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from approvals.admin.on_the_record import OnTheRecord
from approvals.gates.keys import span_of_day
from approvals.models import Calendar
from approvals.models.calendar import WEEKDAYS
from approvals.timers.business import check_calendar, hours_of


class ListField(forms.CharField):
    """A list that people write as a text, which `said` is of what is stored."""

    def said(self, value: list[Any]) -> str:
        raise NotImplementedError

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else self.said(value or [])

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class SpansField(ListField):
    """The hours of one weekday, as documents write them: 09:00-12:00, 13:00-17:00."""

    def __init__(self, day: str, label: str) -> None:
        widget = forms.TextInput(attrs={"class": "vTextField"})
        super().__init__(label=label, required=False, max_length=200, widget=widget)
        self.day = day

    def said(self, value: list[Any]) -> str:
        return spans(value, "-")

    def clean(self, value: Any) -> Any:
        text = super().clean(value).replace("–", "-")
        try:
            found = [span_of_day(one) for one in text.split(",") if one.strip()]
            hours_of(Calendar(hours={self.day: found}))
        except ValueError as problem:
            raise forms.ValidationError(str(problem)) from None
        except ValidationError as problem:
            raise forms.ValidationError(problem.messages) from None
        return found


class DaysField(ListField):
    """Days, one a line."""

    def said(self, value: list[Any]) -> str:
        return "\n".join(map(str, value))

    def clean(self, value: Any) -> Any:
        return super().clean(value).replace(",", " ").split()


class CalendarForm(forms.ModelForm):
    mon = SpansField("mon", "Monday")
    tue = SpansField("tue", "Tuesday")
    wed = SpansField("wed", "Wednesday")
    thu = SpansField("thu", "Thursday")
    fri = SpansField("fri", "Friday")
    sat = SpansField("sat", "Saturday")
    sun = SpansField("sun", "Sunday")
    closed = DaysField(
        label="Also closed on",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "vTextField"}),
        help_text="Days such as 2026-12-24, one a line.",
    )

    instance: Calendar

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for day in WEEKDAYS:
            self.initial[day] = self.instance.hours.get(day, [])

    def _post_clean(self) -> None:
        if not self.errors:
            said = {day: self.cleaned_data[day] for day in WEEKDAYS}
            self.instance.hours = {day: found for day, found in said.items() if found}
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            check_calendar(self.instance)
        except ValidationError as error:
            for name, problems in error.message_dict.items():
                self.add_error(name if name in self.fields else None, problems)


@admin.register(Calendar)
class CalendarAdmin(OnTheRecord):
    form = CalendarForm
    list_display = ("name", "time_zone", "country", "week")
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "time_zone")}),
        (
            "Working hours",
            {
                "fields": WEEKDAYS,
                "description": "Spans such as 09:00-12:00, 13:00-17:00, up to 24:00. A day left "
                "blank is free.",
            },
        ),
        ("Days off", {"fields": (("country", "subdivision"), "closed")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look reads the week: a field of a day is none of the model's."""
        if self.has_change_permission(request, obj) or obj is None:
            return self.fieldsets
        names, _, days_off = self.fieldsets
        return (names, (None, {"fields": ("week",)}), days_off)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("week", *super().get_readonly_fields(request, obj))

    @admin.display(description="working hours")
    def week(self, calendar: Calendar) -> SafeString | str:
        """Such as “Mon 09:00–12:00, 13:00–17:00”, a line a day."""
        lines = [
            (day.capitalize(), spans(calendar.hours[day], "–"))
            for day in WEEKDAYS
            if calendar.hours.get(day)
        ]
        return format_html_join("\n", "<div>{} {}</div>", lines) or "No day"


def spans(found: list[list[str]], dash: str) -> str:
    return ", ".join(dash.join(span) for span in found)
