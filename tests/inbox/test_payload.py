"""A payload is shown as a tree that never grows beyond its bounds and never becomes markup."""

import json
import time

from hypothesis import given, settings, strategies as st

from approvals.inbox import payload

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda child: st.lists(child, max_size=6) | st.dictionaries(st.text(), child, max_size=6),
    max_leaves=40,
)


@given(JSON)
@settings(max_examples=150, deadline=None)
def test_any_json_becomes_balanced_and_escaped_html(value: object) -> None:
    html = payload.render(value).html
    for tag in ("ul", "li", "details", "table", "span"):
        assert html.count(f"<{tag}") - html.count(f"</{tag}>") == 0


def test_nothing_in_it_is_markup() -> None:
    evil = "<script>alert(1)</script>\"'&"
    html = payload.render({evil: evil, "rows": [{evil: evil}, {evil: 1}]}).html
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_hundred_thousand_nodes_render_in_no_time() -> None:
    value = {f"branch {i}": {f"leaf {j}": "value" for j in range(100)} for i in range(1_000)}
    started = time.perf_counter()
    shown = payload.render(value)
    assert time.perf_counter() - started < 0.25
    assert shown.is_cut
    assert shown.html.count("<li>") <= payload.MAX_NODES + payload.MAX_CHILDREN
    assert "more</li>" in shown.html


def test_deep_nesting_and_long_texts_are_cut() -> None:
    deep: object = "bottom"
    for _ in range(50):
        deep = {"down": deep}
    assert payload.render(deep).is_cut
    long = payload.render({"text": "x" * 100_000})
    assert len(long.html) < payload.MAX_TEXT + 2_000
    assert "Show all 100,000 characters" in long.html


def test_rows_alike_become_a_table() -> None:
    rows = [{"sku": "a", "price": 1.5}, {"sku": "b", "price": 2, "note": None}]
    html = payload.render({"items": rows}).html
    assert html.count("<th ") == 3
    assert html.count("<tr>") == 3
    nested = payload.render({"items": [{"a": 1}, {"a": [1]}]}).html
    assert "<table" not in nested


def test_a_table_is_bounded_too() -> None:
    shown = payload.render([{"n": n} for n in range(10_000)])
    assert shown.is_cut
    assert shown.html.count("<tr>") == payload.MAX_TABLE_ROWS + 1
    assert "more rows" in shown.html


def test_plain_values_are_shown_as_they_are() -> None:
    assert "“”" in payload.render({"empty": ""}).html
    assert "null" in payload.render({"nothing": None}).html
    assert "true" in payload.render({"yes": True}).html
    assert "Grüße" in payload.render("Grüße").html
    assert "[]" in payload.render([]).html
    assert str(json.loads("12345678901234567890")) in payload.render(12345678901234567890).html
