"""The door, how a person likes it: time zone, theme, keyboard shortcuts."""

import zoneinfo
from functools import lru_cache

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from approvals.inbox.door import Request, signed_in
from approvals.models import User

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
        fields = ["time_zone", "theme", "shortcuts"]

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        installation = timezone.get_default_timezone_name()
        choices = [("", f"As the installation ({installation})"), *_zones()]
        chosen = self.instance.time_zone
        if chosen and chosen not in dict(choices):
            choices.append((chosen, chosen))
        self.fields["time_zone"].choices = choices  # type: ignore[attr-defined]


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def preferences(request: Request) -> HttpResponse:
    # A fresh copy: a refused form must not dress the page it is shown on.
    mine = User.objects.get(pk=request.user.pk) if request.method == "POST" else request.user
    form = PreferencesForm(request.POST or None, instance=mine)
    if request.method == "POST" and form.is_valid():
        mine.save(update_fields=["time_zone", "theme", "shortcuts"])
        messages.success(request, "Saved.")
        return redirect("preferences")
    status = 422 if form.errors else 200
    return render(request, "inbox/preferences.html", {"form": form}, status=status)
