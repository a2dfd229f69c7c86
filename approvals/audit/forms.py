"""RECORD, asked for: the address of a view of the ledger, read and checked."""

import datetime as dt
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q
from django.utils import timezone

from approvals.audit.ledger import View
from approvals.models import AuditEvent, Gate, User

ITSELF = "Countersign"  # who does what no person did
SUGGESTED = 200  # people offered while typing; anybody else is found by the full name

_days = [MinValueValidator(dt.date(1970, 1, 1)), MaxValueValidator(dt.date(9999, 1, 1))]


def _day(label: str) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        validators=_days,
        widget=forms.DateInput({"type": "date", "class": "input"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
    )


class LedgerForm(forms.Form):
    """A GET form: its cleaned data is a `View`, or it says what can't be understood."""

    q = forms.CharField(
        label="Task or execution",
        required=False,
        max_length=200,
        widget=forms.TextInput({"type": "search", "class": "input"}),
    )
    action = forms.ChoiceField(
        label="What",
        required=False,
        choices=[("", "Anything"), *AuditEvent.Action.choices],
        widget=forms.Select({"class": "input"}),
    )
    person = forms.CharField(
        label="Who",
        required=False,
        max_length=254,
        widget=forms.TextInput({"list": "people", "autocomplete": "off", "class": "input"}),
    )
    gate = forms.ModelChoiceField(
        Gate.objects.only("name", "slug"),
        label="Gate",
        required=False,
        to_field_name="slug",
        empty_label="Any gate",
        widget=forms.Select({"class": "input"}),
    )
    since = _day("From")
    until = _day("To")
    pointed_out = forms.BooleanField(label="Only what is pointed out", required=False)
    before = forms.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput
    )

    def clean_person(self) -> User | str | None:
        """The user that is meant, `ITSELF`, or None for anybody."""
        name = self.cleaned_data["person"].strip()
        if not name:
            return None
        if name.casefold() == ITSELF.casefold():
            return ITSELF
        found = User.objects.filter(Q(username__iexact=name) | Q(email__iexact=name))
        if user := found.only("pk").first():
            return user
        raise ValidationError("Nobody here has this user name or email.")

    def clean(self) -> None:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", "This day is before the first one.")

    def view(self) -> View:
        """What the (valid) form asks for; days begin and end in the reader's time zone."""
        data = self.cleaned_data
        person, gate = data["person"], data["gate"]
        task_id, words = _task_or_words(data["q"])
        return View(
            action=data["action"],
            actor_id=person.pk if isinstance(person, User) else None,
            by_itself=person == ITSELF,
            gate_id=gate.pk if gate else None,
            task_id=task_id,
            pointed_out=data["pointed_out"],
            words=words,
            since=_midnight(data["since"]) if data["since"] else None,
            until=_midnight(data["until"] + dt.timedelta(days=1)) if data["until"] else None,
        )


def _task_or_words(text: str) -> tuple[UUID | None, tuple[str, ...]]:
    """A task's id, or the words to look for; of an ARN, the execution's name."""
    try:
        return UUID(text), ()
    except ValueError:
        return None, tuple(
            word.rsplit(":", 1)[-1] if word.startswith("arn:") else word for word in text.split()
        )


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time.min))
