"""WHO is away, and who stands in: one rule for their own preferences and for the administration."""

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from approvals.audit.record import Action, event, record
from approvals.models import User

FIELDS = ("away_from", "away_until", "delegate")
YEARS = range(2000, 2101)  # beyond some there are times that one zone can write and another can't


def check_absence(
    user: User, away_from: dt.datetime | None, away_until: dt.datetime | None, delegate: User | None
) -> None:
    """Raises `ValidationError` by field. Who is away then, or will be, may be named all the same:
    `doubts` says so."""
    for name, at in (("away_from", away_from), ("away_until", away_until)):
        if at and at.year not in YEARS:
            raise ValidationError({name: f"Choose a year from {YEARS[0]} to {YEARS[-1]}."})
    if away_until and not away_from:
        raise ValidationError({"away_from": "Say from when."})
    if away_from and away_until and away_until <= away_from:
        raise ValidationError({"away_until": "This is not after the start."})
    if delegate and delegate.pk == user.pk:
        raise ValidationError({"delegate": "Nobody can stand in for themselves."})
    if delegate and not delegate.is_active:
        raise ValidationError({"delegate": f"{delegate} has no account any more."})


def delegates(user: User) -> QuerySet[User]:
    """Who could stand in, by name; where they may decide, each gate says."""
    found = User.objects.filter(is_active=True).exclude(pk=user.pk)
    return found.order_by("first_name", "last_name", "username")


def standing_in_for(user: User) -> QuerySet[User]:
    """Who named `user` for an absence that is not over."""
    named = user.stands_in_for.filter(is_active=True, away_from__isnull=False)
    return named.filter(Q(away_until=None) | Q(away_until__gt=Now())).order_by("away_from")


def doubts(user: User) -> str:
    """What may surprise somebody about their absence, as a sentence, or blank."""
    if not user.away_from:
        return ""
    other = user.delegate
    if other is None:
        return "Nobody stands in for you, so what needs you waits until you are back."
    if _overlap(user, other):
        return (
            f"{other} is away then too, and nobody stands in for a stand-in. "
            "Choose somebody else, or hand over what is urgent."
        )
    return ""


@transaction.atomic
def set_absence(
    user: User, away_from: dt.datetime | None, away_until: dt.datetime | None, delegate: User | None
) -> bool:
    """Keep what somebody says of their own absence, on the record; False if that is no change.

    Raises `ValidationError` by field.
    """
    check_absence(user, away_from, away_until, delegate)
    # Not against those who name this person meanwhile: two may name each other at once.
    locked = User.objects.select_for_update(of=("self",), no_key=True)
    stored = locked.select_related("delegate").get(pk=user.pk)
    if (stored.away_from, stored.away_until, stored.delegate) == (away_from, away_until, delegate):
        return False
    stored.away_from, stored.away_until, stored.delegate = away_from, away_until, delegate
    stored.save(update_fields=FIELDS)
    data: dict[str, Any] = {"delegate": str(delegate) if delegate else ""}
    for name, at in (("from", away_from), ("until", away_until)):
        data[name] = at.isoformat(timespec="minutes") if at else ""
    record(event(Action.AWAY, actor=user, **data))
    return True


def _overlap(one: User, other: User) -> bool:
    if not (one.away_from and other.away_from):
        return False
    return (one.away_until is None or other.away_from < one.away_until) and (
        other.away_until is None or one.away_from < other.away_until
    )
