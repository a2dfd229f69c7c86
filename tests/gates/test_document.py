"""Gates as a document: what is exported can be applied, and says the same again."""

import pytest
from hypothesis import given, settings, strategies as st

from approvals.errors import BadDocument
from approvals.gates.document import STAGES, Document, read, write
from approvals.gates.keys import keys_of
from approvals.gates.spans import read_span, write_span
from approvals.models import Calendar, Gate, Stage

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)
names = st.lists(texts.filter(bool), max_size=3, unique=True).map(sorted)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts
json = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
times = st.times().map(lambda at: f"{at:%H:%M}")
spans = st.lists(st.lists(times, min_size=2, max_size=2), max_size=2)
hours = st.dictionaries(st.sampled_from(["mon", "sun"]), spans)


def value_of(key):
    kind = key.field.get_internal_type()
    if key.is_many:
        return names
    if key.field.name == "hours":
        return hours
    if key.field.choices:
        return st.sampled_from([one for one, _ in key.field.flatchoices])
    found = {
        "JSONField": json,
        "BooleanField": st.booleans(),
        "CharField": texts,
        "ForeignKey": texts,
    }.get(kind, st.integers(0, 100_000))
    return st.none() | found if key.field.null else found


def values(model, **more):
    return st.fixed_dictionaries({n: value_of(k) for n, k in keys_of(model).items()} | more)


documents = st.builds(
    Document,
    calendars=st.dictionaries(texts.filter(bool), values(Calendar), max_size=2),
    gates=st.dictionaries(
        st.from_regex(r"\A[a-z]{1,5}\Z"),
        values(Gate, **{STAGES: st.lists(values(Stage), max_size=2)}),
        max_size=2,
    ),
)


@settings(deadline=None, max_examples=60)
@given(documents)
def test_what_is_written_is_read_as_the_same(document):
    text = write(document)
    assert read(text) == document
    assert write(read(text)) == text


@given(st.integers(0, 10**7), st.sampled_from("smhd"))
def test_a_span_is_read_as_it_was_written(number, unit):
    assert read_span(write_span(number, unit), unit) == number


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("90m", "m", 90),
        ("1h30m", "m", 90),
        ("1d 2h", "h", 26),
        ("1m 5s", "s", 65),
        ("2h", "s", 7_200),
    ],
)
def test_spans_are_written_as_people_say_them(text, unit, number):
    assert read_span(text, unit) == number


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gates: {refunds: {quorum: 2}}", ""),
        ("gates: {refunds: {qourum: 2}}", "Did you mean “quorum”?"),
        ("gates: {refunds: {stages: [{qourum: 2}]}}", "gates.refunds.stages[1]: There is no"),
        ("gate: {}", "the document: There is no “gate”. Did you mean “gates”?"),
        ("gates: {a: {quorum: 1, quorum: 2}}", "“quorum” is there twice"),
        ("gates: {a: {}, a: {}}", "“a” is there twice"),
        ("gates: {a: {quorum: yes}}", "gates.a.quorum: Write a whole number."),
        ("gates: {a: {veto: 1}}", "gates.a.veto: Write true or false."),
        ("gates: {a: {name: 7}}", "gates.a.name: Write a text"),
        ("gates: {a: {needs: all}}", "“all” is none of count, each, majority."),
        ("gates: {a: {remindAfter: 30}}", "“30” is not a span of time"),
        ("gates: {a: {remindAfter: 30s}}", "not a number of whole minutes"),
        ("gates: {a: {groups: Payments}}", "Write a list of names."),
        ("gates: {a: {form: {1: x}}}", "The key 1 is not a text."),
        ("gates: {a: {form: {x: .nan}}}", "nan is not a number that JSON knows."),
        ('gates: {a: {form: {x: "\\0"}}}', "NUL"),
        ("gates: {a: {form: &x {y: *x}}}", "nested too deeply"),
        ("gates: {[1]: {}}", "a key is not a text"),
        ("gates: [a]", "gates: Write keys and values here."),
        ("gates: {a: []}", "gates.a: Write keys and values here."),
        ("gates: {a: }", ""),
        ("calendars: {a: }", ""),
        ("gates: {a: {stages: {}}}", "Write a list, in order."),
        ("gates: {a: {stages: x}}", "Write a list, in order."),
        ("calendars: {A: {hours: {mon: [always]}}}", "Write it as 09:00-17:00."),
        ("calendars: {A: {holidays: NO}}", "in quotes"),
        ("a: [", "This is not YAML"),
        ("!!python/object/apply:os.system [x]", "This is not YAML"),
        ("[" * 5_000, "This is not YAML"),
        ("", ""),
    ],
)
def test_each_mistake_is_named_by_its_key(text, said):
    if not said:
        read(text)
        return
    with pytest.raises(BadDocument) as refused:
        read(text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "end", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029", "\t", "\x7f", "\ufeff"]
)
def test_whatever_ends_a_line_is_kept(end):
    """Also where texts are folded for their length, and in keys."""
    document = read("gates: {a: {}}")
    said = f"{'some words ' * 20}{end} and{end}"
    document.gates["a"] |= {"description": said, "choices": [{end: said, f"a{end}": end}]}
    assert read(write(document)) == document


def test_a_document_may_repeat_itself_by_reference():
    text = "gates: {a: &a {name: A, quorum: 2}, b: {<<: *a, name: B}}"
    assert [gate["quorum"] for gate in read(text).gates.values()] == [2, 2]
