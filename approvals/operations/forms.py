"""OPERATIONS, asked for: what comes with an address or a pressed button, read and checked."""

from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from approvals.models import User
from approvals.operations import held, queries


class Request(HttpRequest):
    """Of somebody who has signed in."""

    user: User


class ReasonForm(forms.Form):
    """Why something is given up: whoever reads the record later wants to know."""

    reason = forms.CharField(
        max_length=300,
        label="Why",
        error_messages={"required": "Say why."},
    )


class PlaceForm(forms.Form):
    """A later page of one of the lists, from the address."""

    list = forms.ChoiceField(choices=[(name, name) for name in queries.PAGED])
    after = forms.UUIDField()


class HeldForm(forms.Form):
    """Which messages in quarantine, and where to go on; what is wrong asks for nothing."""

    source = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    code = forms.RegexField(r"^[a-z_]{1,40}$", required=False)
    after = forms.UUIDField(required=False)
    beyond = forms.UUIDField(required=False)

    @property
    def view(self) -> held.View:
        self.is_valid()
        data = self.cleaned_data
        return held.View(data.get("source"), data.get("code") or "")


def address_of(view: held.View, **more: object) -> str:
    """The page of a view of quarantine; later additions that are None are left out."""
    query = {"source": view.source_id, "code": view.code, **more}
    given = {name: value for name, value in query.items() if value}
    return reverse("quarantine") + (f"?{urlencode(given)}" if given else "")
