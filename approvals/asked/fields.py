"""WHAT IS ASKED, the fields: a flat schema as fields of a page, and what they say as JSON again.
Pure.

Fields only read: a date as a date, a number as a number. What a value has to fulfil is the
schema's to say (`form.problems`).
"""

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from approvals.asked.form import LARGEST, label_of
from approvals.errors import MessageNotUnderstood
from approvals.intake.strict_json import parse

MAX_TEXT_LENGTH = 10_000
MAX_JSON_LENGTH = 20_000
LONG = 200  # a text that may be longer gets more room
RADIOS = 5  # more choices than these are a list to open

# Of names that can stand in an id; a property named otherwise makes the form one text of JSON.
_NAME = re.compile(r"[^\W\d][\w.-]{0,59}")
_NOTES = frozenset({"type", "title", "description", "default", "examples", "$comment"})
_TOP = _NOTES | {"$schema", "$id", "properties", "required", "additionalProperties"}
_OF_TYPE = {
    "string": {"enum", "format", "minLength", "maxLength", "pattern"},
    "integer": {"enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "number": {"enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "boolean": {"const"},
    "array": {"items", "minItems", "maxItems", "uniqueItems"},
}
_INPUTS = {"email": "email", "uri": "url", "date": "date"}


def is_flat(schema: Mapping[str, Any]) -> bool:
    """Whether each property can have a field of its own."""
    if any(key not in _TOP and not key.startswith("x-") for key in schema):
        return False
    return not isinstance(schema.get("additionalProperties"), dict) and all(
        _NAME.fullmatch(name) and isinstance(one, dict) and _is_simple(one)
        for name, one in schema["properties"].items()
    )


def fields_of(schema: Mapping[str, Any]) -> dict[str, forms.Field]:
    """By property, of a flat schema."""
    required = schema.get("required", ())
    return {
        name: _field(one, label_of(schema, name), name in required)
        for name, one in schema["properties"].items()
    }


def shown(value: Any, one: Mapping[str, Any]) -> Any:
    """A JSON value as the field of `one` shows it."""
    if value is None:
        return None
    if one.get("type") == "array":
        return value if isinstance(value, list) else None
    if one.get("type") == "boolean":
        return value is True
    if one.get("format") == "date-time" and isinstance(value, str):
        return _to_local(value)
    return value if isinstance(value, str) else json.dumps(value)


class NumberField(forms.CharField):
    """A JSON number, whole where `whole` says so; 12.0 is as whole as 12."""

    def __init__(self, *, whole: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.whole = whole

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return None if not text else number(text, self.whole)


class MomentField(forms.CharField):
    """A time in the reader's zone, or with an offset of its own; kept in UTC."""

    def to_python(self, value: Any) -> str | None:
        text = super().to_python(value)
        if not text:
            return None
        try:
            moment = dt.datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = timezone.make_aware(moment)
            return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        except (ValueError, OverflowError):
            raise ValidationError("This is no time.") from None


class TextField(forms.CharField):
    """With the line ends that a workflow sends, not those of a browser."""

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        return with_plain_ends(text or "")


class JsonField(forms.Field):
    """Any JSON value, as its text."""

    widget = forms.Textarea
    max_length = MAX_JSON_LENGTH

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"class": "input mono", "rows": 10, "spellcheck": "false"}
        super().__init__(widget=forms.Textarea(attrs=attrs), **kwargs)

    def to_python(self, value: Any) -> Any:
        text = value if isinstance(value, str) else ""
        if not text.strip():
            if self.required:
                raise ValidationError(self.error_messages["required"], code="required")
            return None
        if len(text) > self.max_length:
            raise ValidationError(f"This takes at most {self.max_length:,} characters.")
        try:
            return parse(text)
        except MessageNotUnderstood as error:
            raise ValidationError(str(error).replace("The message", "This")) from None

    def validate(self, value: Any) -> None:
        """{} and [] are values like any other."""


class OneOf(forms.TypedChoiceField):
    """One of the values of an `enum`."""

    def __init__(self, values: list[Any], **kwargs: Any) -> None:
        required = kwargs["required"]
        options = [(_option(value), _option(value)) for value in values]
        many = len(options) > RADIOS
        super().__init__(
            choices=[("", "Choose…" if many else "None of these"), *options]
            if many or not required
            else options,
            coerce=lambda text: next(value for value in values if _option(value) == text),
            empty_value=None,
            widget=forms.Select(attrs={"class": "input"}) if many else forms.RadioSelect(),
            error_messages={"invalid_choice": "This is none of the choices."},
            **kwargs,
        )


def with_plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def number(text: str, whole: bool = False) -> int | float:
    """The JSON number in `text`; raises `ValidationError`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= LARGEST:  # which NaN is not either
        raise ValidationError("This has to be a number, such as 12 or 12.5.")
    if whole and isinstance(value, float) and value.is_integer():
        value = int(value)
    return value


def _is_simple(one: Mapping[str, Any]) -> bool:
    kind = _type_of(one)
    if not isinstance(kind, str) or kind not in _OF_TYPE:
        return False
    if any(k not in _NOTES | _OF_TYPE[kind] and not k.startswith("x-") for k in one):
        return False
    if kind == "array":
        items = one.get("items")
        if not isinstance(items, dict) or "enum" not in items:
            return False
        return items.get("type", "string") == "string" and _is_list_of(items["enum"], "string")
    if "enum" in one:
        return _is_list_of(one["enum"], kind)
    return one.get("const", True) is True and one.get("format") in (None, "date-time", *_INPUTS)


def _type_of(one: Mapping[str, Any]) -> Any:
    texts = "enum" in one and all(isinstance(value, str) for value in one["enum"])
    return one.get("type", "string" if texts else None)


def _is_list_of(values: Any, kind: str) -> bool:
    types: tuple[type, ...] = {"string": (str,), "integer": (int,)}.get(kind, (int, float))
    return all(isinstance(v, types) and not isinstance(v, bool) and v != "" for v in values)


def _option(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _field(one: Mapping[str, Any], label: str, required: bool) -> forms.Field:
    said: dict[str, Any] = {
        "label": label,
        "help_text": str(one.get("description", "")),
        "required": required,
    }
    kind = _type_of(one)
    if kind == "boolean":
        # What has to be ticked is required in every sense; anything else is always answered.
        return forms.BooleanField(**said | {"required": one.get("const") is True})
    if kind == "array":
        return forms.MultipleChoiceField(
            choices=[(value, value) for value in one["items"]["enum"]],
            widget=forms.CheckboxSelectMultiple(),
            error_messages={"invalid_choice": "This is none of the choices."},
            **said | {"required": bool(one.get("minItems")) and required},
        )
    if "enum" in one:
        return OneOf(one["enum"], **said)
    if kind == "string":
        return _text_field(one, said)
    step = one.get("multipleOf", 1 if kind == "integer" else "any")
    attrs = {"class": "input", "step": str(step)}
    for key, limit in (("min", "minimum"), ("max", "maximum")):
        if limit in one:
            attrs[key] = str(one[limit])
    return NumberField(whole=kind == "integer", widget=forms.NumberInput(attrs=attrs), **said)


def _text_field(one: Mapping[str, Any], said: dict[str, Any]) -> forms.Field:
    form, longest = one.get("format"), one.get("maxLength", MAX_TEXT_LENGTH)
    longest = min(int(longest), MAX_TEXT_LENGTH)
    if form == "date-time":
        said["help_text"] = f"{said['help_text']} By {timezone.get_current_timezone_name()} time."
        attrs = {"class": "input", "type": "datetime-local", "step": "any"}
        return MomentField(widget=forms.TextInput(attrs=attrs), max_length=100, **said)
    attrs = {"class": "input"}
    if one.get("minLength"):
        attrs["minlength"] = str(one["minLength"])
    is_long = one.get("x-multiline", one.get("maxLength", 0) > LONG) is True and form is None
    widget = (
        forms.Textarea(attrs={**attrs, "rows": 4})
        if is_long
        else forms.TextInput(attrs={**attrs, "type": _INPUTS.get(form or "", "text")})
    )
    return TextField(widget=widget, max_length=None if form == "date" else longest, **said)


def _to_local(text: str) -> str:
    try:
        moment = timezone.localtime(dt.datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return ""
    parts = "milliseconds" if moment.microsecond else "seconds"  # what browsers take
    return moment.replace(tzinfo=None).isoformat(timespec=parts)
