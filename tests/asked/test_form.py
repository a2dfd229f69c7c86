"""A form from JSON Schema: what fits comes out as it went in; what does not, its field says."""

import datetime as dt
import json
import time
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from hypothesis import given, settings, strategies as st

from approvals.asked.choices import Choice
from approvals.asked.decision_form import DecisionForm
from approvals.asked.fields import is_flat, shown
from approvals.asked.form import check_schema, problems
from approvals.asked.patterns import problem_with
from approvals.models import ApprovalTask, Gate
from approvals.states import Verdict

APPROVE, REJECT = Choice(Verdict.APPROVE, "Approve"), Choice(Verdict.REJECT, "Reject")


def asking(schema: Any, payload: Any = None, **gate: Any) -> ApprovalTask:
    return ApprovalTask(gate=Gate(form=schema, **gate), payload=payload)


def filled(schema: dict[str, Any], data: dict[str, Any]) -> DecisionForm:
    sent = QueryDict(mutable=True)
    for name, value in data.items():
        sent.setlist(f"form-{name}", value if isinstance(value, list) else [value])
    return DecisionForm(asking(schema), APPROVE, sent)


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


# --- any valid instance, any invalid value ---

words = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
days = st.dates().map(dt.date.isoformat)
moments = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2090, 1, 1)).map(
    lambda at: at.replace(microsecond=0, minute=30, hour=12).isoformat() + "Z"
)
whole = st.integers(-(10**12), 10**12)
broken = st.floats(-1e12, 1e12, allow_nan=False)


@st.composite
def simple(draw: st.DrawFn) -> tuple[dict[str, Any], st.SearchStrategy[Any]]:
    """A property, and what fits it."""
    options = draw(st.lists(words, min_size=1, max_size=8, unique=True))
    low = draw(whole)
    return draw(
        st.sampled_from(
            [
                ({"type": "string"}, words),
                ({"type": "string", "maxLength": 500, "x-multiline": True}, words),
                ({"type": "string", "minLength": 2}, words.filter(lambda text: len(text) > 1)),
                ({"type": "string", "enum": options}, st.sampled_from(options)),
                ({"type": "string", "format": "date"}, days),
                ({"type": "string", "format": "date-time"}, moments),
                ({"type": "string", "format": "email"}, st.just("mira@example.com")),
                ({"type": "integer", "minimum": low}, whole.map(lambda n: low + abs(n))),
                ({"type": "integer", "enum": [1, 2, 30]}, st.sampled_from([1, 2, 30])),
                ({"type": "number"}, broken | whole),
                ({"type": "boolean"}, st.booleans()),
                ({"type": "boolean", "const": True}, st.just(True)),
                (
                    {"type": "array", "items": {"enum": options}, "uniqueItems": True},
                    st.sets(st.sampled_from(options)).map(
                        lambda chosen: [one for one in options if one in chosen]
                    ),
                ),
            ]
        )
    )


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_what_fits_the_schema_comes_out_as_it_went_in(data: st.DataObject) -> None:
    parts = data.draw(st.dictionaries(names, simple(), min_size=1, max_size=5))
    schema = of(**{name: one for name, (one, _) in parts.items()}) | {"required": list(parts)}
    check_schema(schema)
    assert is_flat(schema)
    values = {name: data.draw(fitting) for name, (_, fitting) in parts.items()}
    with timezone.override("Europe/Berlin"):
        sent = {
            name: shown(value, schema["properties"][name])
            for name, value in values.items()
            if value is not False
        }
        form = filled(schema, {name: "on" if v is True else v for name, v in sent.items()})
        assert form.is_valid(), form.errors
    assert json.dumps(form.values) == json.dumps(values)


@given(st.data(), st.text(max_size=30) | st.sampled_from(["NaN", "1e999", "9" * 5000, "[]", "{"]))
@settings(max_examples=150, deadline=None)
def test_whatever_is_sent_gives_values_that_fit_or_an_error(data: st.DataObject, junk: str) -> None:
    one, _ = data.draw(simple())
    schema = of(field=one) | {"required": ["field"]}
    form = filled(schema, {"field": junk})
    if form.is_valid():
        assert problems(schema, form.values) == {}
    else:
        assert form.errors.keys() == {"form-field"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "properties", "enum", "items", "required", "a", "pattern"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_json_is_a_form_that_can_be_shown_or_is_refused_in_words(schema: Any) -> None:
    for tried in (schema, {"properties": {"a": schema}}):
        try:
            check_schema(tried)
        except ValidationError as error:
            assert error.message.endswith((".", "?"))  # noqa: PT017 - either way is fine
            continue
        if tried:
            str(DecisionForm(asking(tried), APPROVE).as_p())


# --- one by one ---


def test_each_error_stands_at_its_field() -> None:
    schema = of(
        amount={"type": "number", "minimum": 1, "multipleOf": 0.5, "title": "Amount"},
        code={"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"},
        when={"type": "string", "format": "date"},
        read={"type": "boolean", "const": True},
        to={"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1},
    ) | {"required": ["amount", "code", "when", "to"]}
    form = filled(schema, {"amount": "0.2", "code": "no", "when": "2026-02-30"})
    assert not form.is_valid()
    assert {name: errors[0] for name, errors in form.errors.items()} == {
        "form-amount": "This has to be at least 1.",
        "form-code": "This is not in the form that is asked for (of at most 200 characters).",
        "form-when": "This has to be a day, such as 2026-11-22.",
        "form-read": "This field is required.",
        "form-to": "This field is required.",
    }
    assert [field.name for field in form.wrong] == [f"form-{name}" for name in schema["properties"]]


def test_what_is_left_blank_and_may_be_is_left_out() -> None:
    schema = of(note={"type": "string"}, n={"type": "integer"}, yes={"type": "boolean"})
    form = filled(schema, {"note": " ", "n": ""})
    assert form.is_valid()
    assert form.values == {"yes": False}


def test_fields_start_with_what_the_payload_says_else_with_their_default() -> None:
    schema = of(
        amount={"type": "number", "x-default-from": "order.total", "default": 1},
        currency={"type": "string", "x-default-from": "order.currency", "default": "EUR"},
        broken={"type": "string", "x-default-from": "sum(order)"},
    )
    check_schema(schema)
    form = DecisionForm(asking(schema, {"order": {"total": 12.5}}), APPROVE)
    shown = {name: form.get_initial_for_field(form.fields[f"form-{name}"], f"form-{name}")
             for name in schema["properties"]}  # fmt: skip
    assert shown == {"amount": "12.5", "currency": "EUR", "broken": None}


def test_what_is_not_flat_is_one_text_of_json_held_against_the_schema() -> None:
    schema = of(items={"type": "array", "items": {"type": "object", "required": ["sku"]}})
    for text, words in (
        ('{"items": [{"sku": 1}]}', ""),
        ('{"items": [{}]}', "“Items”: “0” does not fit the form."),
        ('{"items": [', "This is not JSON: the mistake is at line 1, column 12."),
        ('{"items": ["\\ud800"]}', "This holds characters that can't be kept."),
        ("", "This field is required."),
    ):
        form = DecisionForm(asking(schema), APPROVE, {"form": text})
        assert form.is_valid() is not bool(words)
        assert form.errors.get("form", [""])[0] == words


def test_rejecting_asks_for_nothing_and_a_job_never_does() -> None:
    schema = of(a={"type": "string"})
    assert DecisionForm(asking(schema), REJECT).asked == []
    assert DecisionForm(asking(schema, kind=Gate.Kind.JOB), APPROVE).asked == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ([], "The form has to be a JSON object."),
        ({"type": "string"}, "The form has to be of type “object” and have “properties”."),
        (of(), "The form has no properties, so it asks for nothing."),
        (of(a={"$ref": "http://x/s"}), "The form refers to another schema ($ref): write it out."),
        (of(a={"type": "texst"}), "At properties/a/type: that is no JSON Schema."),
        (of(a={"itmes": 1}), "The form says “itmes”, which can't be followed. Is it “items”?"),
        (of(a={"default": 5, "type": "string"}), "The default of “a”: This has to be a text."),
        (of(a={"x-default-from": "a["}), "x-default-from: it can't be read at character 3."),
        (of(**{f"a{n}": {} for n in range(41)}), "The form has more than 40 properties."),
        (of(a={"enum": list(range(600))}), "The form is too large to be filled in by a person."),
        (of(a={"title": "x" * 20_000}), "The form is longer than 20,000 characters."),
        # It would switch to the library's own checks, where a pattern meets texts of any length.
        (
            of(a={"$schema": "https://json-schema.org/draft/2020-12/schema"}),
            "The form says “$schema” of a part; say it once, at the top.",
        ),
    ],
)  # fmt: skip
def test_a_schema_that_cant_be_a_form_is_refused_with_the_reason(schema: Any, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        check_schema(schema)
    assert refused.value.message == words


def test_a_schema_too_deep_is_refused() -> None:
    one: dict[str, Any] = {}
    for _ in range(20):
        one = {"not": one}
    with pytest.raises(ValidationError, match="nested deeper"):
        check_schema(of(a=one))


HANG = [
    "(?m)^a*a*a*$",
    "(a+)+$",
    "(a|aa)+$",
    "^(([a-z])+.)+$",
    r"(\w*)*x",
    "(.*)(.*)(.*)(.*)(.*)x",
    "(",
    r"(a)\1",
]
FINE = [r"^[A-Z]{2,3}-\d{4,}-\w+$", "^(foo|bar)$", r"^\S+@\S+$", "^([A-Z]{1,3}-){2}$"]


@pytest.mark.parametrize("pattern", HANG)
def test_a_pattern_that_could_hang_is_refused(pattern: str) -> None:
    assert problem_with(pattern)


@pytest.mark.parametrize("pattern", FINE)
def test_everyday_patterns_are_fine_and_quick(pattern: str) -> None:
    assert problem_with(pattern) == ""
    schema = of(a={"type": "string", "pattern": pattern})
    started = time.monotonic()
    for text in ("a" * 200, "@" * 200, "AAA-" * 50, "A" * 10_000):
        problems(schema, {"a": text})
    assert time.monotonic() - started < 5


def test_the_worst_form_that_is_taken_is_checked_in_reasonable_time() -> None:
    parts = [{"items": {"enum": [n, n + 1, n + 2]}, "uniqueItems": True} for n in range(70)]
    schema = of(a={"type": "array", "allOf": parts})
    check_schema(schema)
    started = time.monotonic()
    assert problems(schema, {"a": [{"n": n} for n in range(400)]})
    assert time.monotonic() - started < 20


def test_many_texts_against_many_patterns_are_given_up_in_reasonable_time() -> None:
    pattern = "^(a{0,9}){4}(a{0,9}){3}$"  # a tenth of a second for each text
    assert problem_with(pattern) == ""
    schema = of(a={"type": "array", "items": {"allOf": [{"pattern": pattern}] * 100}})
    check_schema(schema)
    started = time.monotonic()
    found = problems(schema, {"a": ["a" * 64 + "!"] * 200})
    assert found == {"": ["This can't be checked against the form."]}
    assert time.monotonic() - started < 20
