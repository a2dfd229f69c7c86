"""WHAT IS ASKED, a form: its JSON Schema, which is checked before it is used, and values held
against it. Pure.

A schema comes from a gate or from a message, so it can't point anywhere, can't be large, and can't
hold a pattern that hangs. Whatever the browser's fields allow: what the schema refuses is refused.
"""

import datetime as dt
import difflib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from jsonschema import Draft202012Validator, FormatChecker, exceptions, validators
from referencing import Registry

from approvals.asked.patterns import LONGEST, MOST_WAYS, problem_with, ways_through
from approvals.asked.values import every_value, problem_with as problem_with_value
from approvals.intake.expressions import check
from approvals.models import ApprovalTask, Gate

MAX_SCHEMA_LENGTH = 20_000  # characters of JSON
MAX_SCHEMA_DEPTH = 12
MAX_PROPERTIES = 40
MAX_SCHEMAS, MAX_LISTED = 150, 500  # schemas within it, and values that it lists
MAX_VALUES_LENGTH = 32_000  # characters of JSON, of all that is filled in
MAX_VALUES = 1_000
MAX_WAYS = 3 * MOST_WAYS  # of all texts together, against all patterns
LARGEST = 10**100  # numbers beyond it can't be reckoned with

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
# What may stand in a schema; names that begin with x- too. No references: followed, a few lines
# of them ask for more work than there is time.
_KEYWORDS = frozenset(
    {"$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated",
     "readOnly", "writeOnly", "type", "enum", "const", "properties", "required",
     "additionalProperties", "propertyNames", "minProperties", "maxProperties",
     "dependentRequired", "minLength", "maxLength", "pattern", "format", "minimum", "maximum",
     "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "items", "prefixItems", "contains",
     "minContains", "maxContains", "minItems", "maxItems", "uniqueItems", "allOf", "anyOf",
     "oneOf", "not", "if", "then", "else"}
)  # fmt: skip
_OF_SCHEMAS = ("prefixItems", "allOf", "anyOf", "oneOf")
_ARE_SCHEMAS = ("additionalProperties", "propertyNames", "items", "contains", "not", "if",
                "then", "else")  # fmt: skip

_formats = FormatChecker(formats=())
_ways_left: ContextVar[int] = ContextVar("ways_left")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def form_of(task: ApprovalTask) -> dict[str, Any] | None:
    """The schema of what approving `task` asks for; the gate's own wins over the message's."""
    if task.gate.kind == Gate.Kind.JOB:
        return None
    return task.gate.form or task.form or None


def check_schema(schema: Any) -> None:
    """Raises `ValidationError` with the reason, in words, where a form can't be made of it."""
    if not isinstance(schema, dict):
        raise ValidationError("The form has to be a JSON object.")
    if not schema:
        return
    if len(json.dumps(schema, ensure_ascii=False)) > MAX_SCHEMA_LENGTH:
        raise ValidationError(f"The form is longer than {MAX_SCHEMA_LENGTH:,} characters.")
    if str(schema.get("$schema", _DRAFT)).rstrip("#") != _DRAFT:
        raise ValidationError("The form has to be of JSON Schema 2020-12.")
    if schema.get("type", "object") != "object" or not isinstance(schema.get("properties"), dict):
        raise ValidationError("The form has to be of type “object” and have “properties”.")
    if not schema["properties"]:
        raise ValidationError("The form has no properties, so it asks for nothing.")
    if len(schema["properties"]) > MAX_PROPERTIES:
        raise ValidationError(f"The form has more than {MAX_PROPERTIES} properties.")
    parts = list(_parts(schema, 1))
    for part in parts:
        _check_keywords(part)
    # The library would check that part by its own rules for patterns and lists, not by ours.
    if any("$schema" in part for part in parts[1:]):
        raise ValidationError("The form says “$schema” of a part; say it once, at the top.")
    listed = sum(len(part["enum"]) for part in parts if isinstance(part.get("enum"), list))
    if len(parts) > MAX_SCHEMAS or listed > MAX_LISTED:
        raise ValidationError("The form is too large to be filled in by a person.")
    try:
        Draft202012Validator.check_schema(schema)
    except exceptions.SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "the form"
        raise ValidationError(f"At {where[:200]}: that is no JSON Schema.") from None
    defaults = {
        name: one["default"]
        for name, one in schema["properties"].items()
        if isinstance(one, dict) and "default" in one
    }
    wrong = {name: words for name, words in problems(schema, defaults).items() if name in defaults}
    for name, words in wrong.items():
        raise ValidationError(f"The default of “{name[:60]}”: {words[0]}")


def problems(schema: Mapping[str, Any], values: Any) -> dict[str, list[str]]:
    """What is wrong with `values`, as sentences by property; under "" what is wrong with all."""
    if problem := problem_with_value(values):
        return {"": [problem]}
    if len(json.dumps(values, ensure_ascii=False)) > MAX_VALUES_LENGTH:
        return {"": [f"This is longer than {MAX_VALUES_LENGTH:,} characters."]}
    parts = list(every_value(values))
    if len(parts) > MAX_VALUES:
        return {"": [f"This holds more than {MAX_VALUES:,} values."]}
    if any(abs(one) > LARGEST for one in parts if isinstance(one, int | float)):
        return {"": ["This holds a number that is too large."]}
    found: dict[str, list[str]] = defaultdict(list)
    checker = _Checker(schema, registry=Registry(), format_checker=_formats)
    _ways_left.set(MAX_WAYS)
    try:
        for error in checker.iter_errors(values):
            for name in _names(error):
                if (words := _words(error)) not in found[name]:
                    found[name].append(words)
    except (ArithmeticError, RecursionError):
        return {"": ["This can't be checked against the form."]}
    return dict(found)


def label_of(schema: Mapping[str, Any] | None, name: str) -> str:
    """What people call a property."""
    one = ((schema or {}).get("properties") or {}).get(name)
    title = one.get("title") if isinstance(one, dict) else None
    return str(title or name.replace("_", " ").strip()[:1].upper() + name.replace("_", " ")[1:])


def _parts(schema: Any, depth: int) -> Iterator[dict[str, Any]]:
    """A schema and those inside it, all the way down; true and false, schemas too, say nothing."""
    if depth > MAX_SCHEMA_DEPTH:
        raise ValidationError(f"The form is nested deeper than {MAX_SCHEMA_DEPTH} levels.")
    if isinstance(schema, dict):
        yield schema
        for below in _below(schema):
            yield from _parts(below, depth + 1)


def _check_keywords(schema: Mapping[str, Any]) -> None:
    for key, value in schema.items():
        if key.endswith(("$ref", "Ref")):
            raise ValidationError("The form refers to another schema ($ref): write it out.")
        if key not in _KEYWORDS and not key.startswith("x-"):
            near = difflib.get_close_matches(key, _KEYWORDS, 1)
            hint = f" Is it “{near[0]}”?" if near else ""
            raise ValidationError(f"The form says “{key[:60]}”, which can't be followed.{hint}")
        if key == "pattern" and isinstance(value, str) and (problem := problem_with(value)):
            raise ValidationError(problem)
        if key == "x-default-from" and (problem := check(str(value))):
            raise ValidationError(f"x-default-from: {problem}")


def _below(schema: Mapping[str, Any]) -> Iterator[Any]:
    named = schema.get("properties")
    yield from named.values() if isinstance(named, dict) else ()
    for key in _OF_SCHEMAS:
        listed = schema.get(key)
        yield from listed if isinstance(listed, list) else ()
    for key in _ARE_SCHEMAS:
        if key in schema:
            yield schema[key]


def _names(error: exceptions.ValidationError) -> list[str]:
    """The properties that an error is about."""
    if error.absolute_path:
        return [str(error.absolute_path[0])]
    if error.validator == "required":
        return [name for name in error.validator_value if name not in error.instance]
    return [""]


def _words(error: exceptions.ValidationError) -> str:
    """A sentence that quotes no value: it may be long, and it stands beside its field."""
    limit = error.validator_value
    if len(error.absolute_path) > 1:
        return f"“{'/'.join(map(str, list(error.absolute_path)[1:]))[:100]}” does not fit the form."
    sentences = {
        "required": "This is required.",
        "type": f"This has to be {_TYPES.get(str(limit), 'of another type')}.",
        "minimum": f"This has to be at least {limit}.",
        "maximum": f"This has to be at most {limit}.",
        "exclusiveMinimum": f"This has to be more than {limit}.",
        "exclusiveMaximum": f"This has to be less than {limit}.",
        "multipleOf": f"This has to be a multiple of {limit}.",
        "minLength": f"This needs at least {limit} characters.",
        "maxLength": f"This takes at most {limit} characters.",
        "minItems": f"Choose at least {limit}.",
        "maxItems": f"Choose at most {limit}.",
        "uniqueItems": "The same is chosen twice.",
        "enum": "This is none of the choices.",
        "const": "This has to be ticked." if limit is True else "This is not what is asked for.",
        "pattern": f"This is not in the form that is asked for (of at most {LONGEST} characters).",
        "format": f"This has to be {_FORMATS.get(str(limit), 'written otherwise')}.",
    }
    said = f"This does not fit its rule “{error.validator}”."
    return sentences.get(str(error.validator), said)


_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "yes or no",
    "array": "a list",
    "object": "an object",
}
_FORMATS = {
    "date": "a day, such as 2026-11-22",
    "date-time": "a time with its offset, such as 2026-11-22T17:00:00Z",
    "email": "an email address",
    "uri": "an address, such as https://example.com/",
}


class _TooMuchWork(ArithmeticError):
    """So many patterns and texts that nobody can wait for it."""


def _matches(checker: Any, pattern: str, text: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(text, str):
        return
    if len(text) <= LONGEST:
        _ways_left.set(left := _ways_left.get() - ways_through(pattern, len(text)))
        if left < 0:
            raise _TooMuchWork
    if len(text) > LONGEST or not re.search(pattern, text):
        yield exceptions.ValidationError("does not match")


def _is_unique(checker: Any, wanted: bool, values: Any, schema: Any) -> Iterator[Any]:
    """In one pass, where the library holds each value against each."""
    if wanted and isinstance(values, list):
        texts = {json.dumps(value, sort_keys=True) for value in values}
        if len(texts) != len(values):
            yield exceptions.ValidationError("the same is there twice")


_Checker = validators.extend(Draft202012Validator, {"pattern": _matches, "uniqueItems": _is_unique})


@_formats.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    if isinstance(value, str):
        dt.date.fromisoformat(value)
        return bool(_DAY.fullmatch(value))
    return True


@_formats.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or dt.datetime.fromisoformat(value).tzinfo is not None


@_formats.checks("email", raises=ValidationError)
def _is_email(value: object) -> bool:
    if isinstance(value, str):
        validate_email(value)
    return True


@_formats.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    if not isinstance(value, str):
        return True
    parts = urlsplit(value)
    return bool(parts.scheme and (parts.netloc or parts.path)) and not re.search(r"\s", value)
