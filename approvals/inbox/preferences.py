"""The door, how a person likes it: times, theme, shortcuts and mails; and when they are away."""

import zoneinfo
from functools import lru_cache
from typing import cast

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from approvals.inbox.door import Request, signed_in
from approvals.inbox.whom import Colleague, suggestions
from approvals.models import User
from approvals.people.absence import FIELDS, delegates, doubts, set_absence, standing_in_for

_REGIONS = {
    *("Africa", "America", "Antarctica", "Arctic", "Asia"),
    *("Atlantic", "Australia", "Europe", "Indian", "Pacific"),
}


@lru_cache(maxsize=1)
def _zones() -> list[tuple[str, str]]:
    """Places, not the database's aliases; without the underscores."""
    names = sorted(zoneinfo.available_timezones())
    return [
        (name, name.replace("_", " ").replace("/", " / "))
        for name in names
        if name.split("/")[0] in _REGIONS or name == "UTC"
    ]


class PreferencesForm(forms.ModelForm):
    time_zone = forms.ChoiceField(required=False)
    theme = forms.ChoiceField(choices=User.Theme.choices, widget=forms.RadioSelect)

    class Meta:
        model = User
        fields = ["time_zone", "theme", "shortcuts", "language", "mails"]

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        installation = timezone.get_default_timezone_name()
        choices = [("", f"As the installation ({installation})"), *_zones()]
        chosen = self.instance.time_zone
        if chosen and chosen not in dict(choices):
            choices.append((chosen, chosen))
        self.fields["time_zone"].choices = choices  # type: ignore[attr-defined]


class AbsenceForm(forms.ModelForm):
    """Times are in the zone of the pages."""

    away_from = forms.DateTimeField(required=False, error_messages={"invalid": "When is that?"})
    away_until = forms.DateTimeField(required=False, error_messages={"invalid": "When is that?"})
    delegate = Colleague(queryset=User.objects.none(), required=False, empty_label="Nobody")

    class Meta:
        model = User
        fields = FIELDS

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.whom.queryset = delegates(self.instance)

    @property
    def whom(self) -> Colleague:
        return cast(Colleague, self.fields["delegate"])


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def preferences(request: Request) -> HttpResponse:
    mine = _fresh(request) if request.method == "POST" else request.user
    form = PreferencesForm(request.POST or None, instance=mine)
    if request.method == "POST" and form.is_valid():
        mine.save(update_fields=PreferencesForm.Meta.fields)
        messages.success(request, "Saved.")
        return redirect("preferences")
    away = AbsenceForm(instance=request.user)
    return suggestions(request, away.whom, "delegate") or _page(request, form, away)


@require_POST
@signed_in
def absence(request: Request) -> HttpResponse:
    """`back` ends it, whatever else the form says."""
    form = AbsenceForm({} if "back" in request.POST else request.POST, instance=_fresh(request))
    if form.is_valid():
        said = form.cleaned_data
        try:
            changed = set_absence(request.user, *(said[name] for name in FIELDS))
        except ValidationError as problems:
            form.add_error(None, problems)
        else:
            messages.success(request, "Saved." if changed else "Nothing has changed.")
            return redirect("preferences")
    return _page(request, PreferencesForm(instance=request.user), form)


def _fresh(request: Request) -> User:
    """A copy: a refused form must not dress the page it is shown on."""
    return User.objects.get(pk=request.user.pk)


def _page(request: Request, form: PreferencesForm, away: AbsenceForm) -> HttpResponse:
    context = {
        "form": form,
        "away": away,
        "times": [(away["away_from"], "From", ""), (away["away_until"], "Until", "open")],
        "doubts": doubts(request.user),
        "standing_in": [(one, one.is_away) for one in standing_in_for(request.user)],
    }
    status = 422 if form.errors or away.errors else 200
    return render(request, "inbox/preferences.html", context, status=status)
