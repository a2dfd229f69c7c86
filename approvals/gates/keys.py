"""POLICY, in a document: how each field of a gate, stage or calendar is called and written there.

From the models themselves, so that a new field is in documents at once. Pure.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import models

from approvals.gates.spans import read_span, write_span
from approvals.models import Calendar, Gate, Stage
from approvals.models.fields import OrderedJSONField

Values = dict[str, Any]  # by field; teams, people and the calendar by their names

# What people look for first; the rest as the model has it.
_FIRST = ("name", "description", "kind", "groups", "users", "needs", "quorum", "veto", "stages")
_CALLED = {
    "link_hours": "linksLive",
    "link_alone_minutes": "linkAlone",
    "job_key_hours": "jobKeysLive",
    "country": "holidays",
}
_UNITS = {"minutes": "m", "seconds": "s", "hours": "h"}
# What the document says by where it stands.
_ELSEWHERE: dict[type[models.Model], set[str]] = {
    Gate: {"id", "slug"},
    Stage: {"id", "gate", "position"},
    Calendar: {"id", "name"},
}


@dataclass(frozen=True)
class Key:
    """One key of a document; `unit` of a span is d, h, m or s, and blank for what is none."""

    name: str
    field: models.Field
    unit: str = ""

    @property
    def is_many(self) -> bool:
        return isinstance(self.field, models.ManyToManyField)

    @property
    def default(self) -> Any:
        return [] if self.is_many else self.field.get_default()

    def read(self, value: Any) -> Any:
        """The field's value (names of people, teams and calendars); ValueError with the reason."""
        if value is None and self.field.null:
            return None
        if self.unit:
            return read_span(value, self.unit)
        if self.is_many:
            return sorted(set(_texts(value)))
        if self.field.name == "hours":
            return _read_hours(value)
        if isinstance(self.field, models.JSONField):
            return _json(value)
        if isinstance(self.field, models.BooleanField):
            return _typed(value, bool, "Write true or false.")
        if isinstance(self.field, models.IntegerField):
            return _typed(value, int, "Write a whole number.")
        return self._one_of(_typed(value, str, "Write a text; in quotes if it looks otherwise."))

    def write(self, value: Any) -> Any:
        if self.unit and value is not None:
            return write_span(value, self.unit)
        if self.field.name == "hours":
            return {day: [f"{since}-{until}" for since, until in spans]
                    for day, spans in value.items()}  # fmt: skip
        return value

    def differs(self, one: Any, other: Any) -> bool:
        """True is no 1 here, and the order of keys counts where the database keeps it."""
        ordered = isinstance(self.field, OrderedJSONField)
        return _strictly(one, ordered) != _strictly(other, ordered)

    def _one_of(self, value: str) -> str:
        known = [str(one) for one, _ in self.field.flatchoices]
        if known and value not in known:
            raise ValueError(f"“{value}” is none of {', '.join(known)}.")
        return value


@cache
def keys_of(model: type[models.Model]) -> dict[str, Key]:
    """The keys of one gate, stage or calendar, by field, in the order in which they are written."""
    fields = [
        field
        for field in (*model._meta.concrete_fields, *model._meta.many_to_many)
        if field.editable and field.name not in _ELSEWHERE[model]
    ]
    fields.sort(key=lambda one: _FIRST.index(one.name) if one.name in _FIRST else len(_FIRST))
    return {field.name: _key(field) for field in fields}


def _key(field: models.Field) -> Key:
    stem, _, unit = field.name.rpartition("_")
    if not stem or unit not in _UNITS:
        return Key(_CALLED.get(field.name, _camel(field.name)), field)
    return Key(_CALLED.get(field.name, _camel(stem)), field, _UNITS[unit])


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _typed(value: Any, kind: type, otherwise: str) -> Any:
    if type(value) is not kind:  # True is no number here
        raise ValueError(otherwise)
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("Write a list of names.")
    return value


def _json(value: Any) -> Any:
    """`value` if PostgreSQL can keep it as JSON."""
    _check_json(value, 0)
    return value


def _check_json(value: Any, depth: int) -> None:
    if depth > 50:
        raise ValueError("It is nested too deeply.")
    if isinstance(value, dict):
        for key, one in value.items():
            if not isinstance(key, str):
                raise ValueError(f"The key {key!r} is not a text. Put it in quotes.")
            _check_json(key, depth)
            _check_json(one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            _check_json(one, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a number that JSON knows.")
    elif not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"{value!r} is nothing that JSON knows. Put it in quotes.")


def _strictly(value: Any, ordered: bool) -> Any:
    """What is equal only if people would say so."""
    if isinstance(value, dict):
        pairs = [(key, _strictly(one, ordered)) for key, one in value.items()]
        return ("keys", pairs if ordered else dict(pairs))
    if isinstance(value, list):
        return [_strictly(one, ordered) for one in value]
    return (type(value) is bool, value)


def _read_hours(value: Any) -> dict[str, list[list[str]]]:
    if not isinstance(value, dict):
        raise ValueError("Write the hours by weekday, such as mon: [09:00-17:00].")
    return {str(day): [span_of_day(span) for span in _texts(spans)] for day, spans in value.items()}


def span_of_day(text: str) -> list[str]:
    """“09:00-17:00” as the calendar keeps it; whether those are times, `timers.business` says."""
    since, dash, until = (part.strip() for part in text.partition("-"))
    if not dash:
        raise ValueError(f"“{text}” is not a span of the day. Write it as 09:00-17:00.")
    return [since, until]
