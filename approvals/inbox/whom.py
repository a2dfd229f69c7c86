"""The door, whom one means: a select of a few people; where there are many, a name that is looked
up. Reads only; a constant number of queries."""

import re
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat, Trim
from django.http import HttpResponse
from django.shortcuts import render

from approvals.inbox import times
from approvals.inbox.door import Request, wants_part
from approvals.models import User

FEW = 50  # so many fit into a select
FOUND = 20
LONGEST = 200  # characters of what is looked up
SUGGESTIONS = "whom-found"  # the id of the list that the page keeps for them
_FULL_NAME = Trim(Concat("first_name", Value(" "), "last_name"))
_USER_NAME = re.compile(r"\((\S+)\)$")  # at the end of what is suggested


class Colleague(forms.ModelChoiceField):
    """One person of `queryset`. After a name that may mean several, `candidates` are those."""

    candidates: list[User]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.candidates = []

    @cached_property
    def is_long(self) -> bool:
        return self.queryset[: FEW + 1].count() > FEW  # type: ignore[index]

    def label_from_instance(self, user: User) -> str:  # type: ignore[override]
        if not user.is_away:
            return name_of(user)
        until = f" until {times.clock(user.away_until)}" if user.away_until else ""
        return f"{name_of(user)}, away{until}"

    def prepare_value(self, value: Any) -> Any:
        """What stands in the text: who is stored, or what was written, by their whole name."""
        if not self.is_long or not value:
            return super().prepare_value(value)
        people: QuerySet[User] = self.queryset  # type: ignore[assignment]
        if isinstance(value, str):
            found = called(people, value)
            return name_of(found[0]) if len(found) == 1 else value
        stored = people.filter(pk=value).first()
        return name_of(stored) if stored else ""

    def to_python(self, value: Any) -> Any:
        if not self.is_long or value in self.empty_values:
            return super().to_python(value)
        people: QuerySet[User] = self.queryset  # type: ignore[assignment]
        found = called(people, value)
        if len(found) == 1:
            return found[0]
        said = "Several people are called so. Which of them?"
        if not found:
            found = like(people, value)
            said = "Nobody is called exactly so. Do you mean one of these?"
        if not found:
            raise ValidationError("Nobody of that name is found. Try the email address.")
        if len(found) > FOUND:
            raise ValidationError("That may be many people. Write more of the name.")
        self.candidates = found
        raise ValidationError(said)


def name_of(user: User) -> str:
    return str(user) if str(user) == user.username else f"{user} ({user.username})"


def called(people: "QuerySet[User]", text: str) -> list[User]:
    """Whoever has this user name, email or name; or a user name in brackets, behind their name if
    anything: what is suggested, and not changed since."""
    text = _clean(text)
    if found := _USER_NAME.search(text):
        named = people.filter(username=found[1])
        return [user for user in named if text in (f"({user.username})", _clean(name_of(user)))]
    wanted = Q(username__iexact=text) | Q(email__iexact=text) | Q(full_name__iexact=text)
    return list(people.annotate(full_name=_FULL_NAME).filter(wanted)[: FOUND + 1])


def like(people: "QuerySet[User]", text: str) -> list[User]:
    """Whoever's names hold all of these words; one more than `FOUND` at most."""
    words = re.sub(r"[()]", " ", _clean(text)).split()
    if not words:
        return []
    for word in words[:8]:
        named = Q(first_name__icontains=word) | Q(last_name__icontains=word)
        people = people.filter(named | Q(username__icontains=word) | Q(email__icontains=word))
    return list(people[: FOUND + 1])


def suggestions(request: Request, field: Colleague, name: str) -> HttpResponse | None:
    """What the text of the field `name` may become, while it is being written; else None."""
    if not wants_part(request) or request.htmx.target != SUGGESTIONS:
        return None
    people: QuerySet[User] = field.queryset  # type: ignore[assignment]
    found = like(people, request.GET.get(name, ""))[:FOUND]
    labels = [(name_of(user), field.label_from_instance(user)) for user in found]
    return render(request, "inbox/whom_found.html", {"found": labels})


def _clean(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())[:LONGEST]
