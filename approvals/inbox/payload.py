"""The door, a payload as HTML: a folded tree, tables for rows alike, bounded everywhere. Pure.

A megabyte with a hundred thousand nodes costs as much as the first `MAX_NODES` of them; the rest
is in the raw JSON, which the page links to.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any, NamedTuple

from django.utils.safestring import SafeString, mark_safe

MAX_NODES = 1_200
MAX_CHILDREN = 150
MAX_DEPTH = 16
MAX_COLUMNS = 8
MAX_TABLE_ROWS = 50
CUT, MAX_TEXT = 280, 20_000
OPEN_DEPTH, OPEN_CHILDREN = 2, 20  # what stands open at first

_COPY = '<button type="button" class="copy js-only" data-copy aria-label="Copy {}"></button>'


class PayloadHtml(NamedTuple):
    html: SafeString
    is_cut: bool


def render(payload: Any) -> PayloadHtml:
    tree = _Tree()
    if isinstance(payload, dict) and payload:
        tree.object(payload, 0)
    else:
        tree.parts.append('<ul class="tree">')
        tree.node("", payload, 0)
        tree.parts.append("</ul>")
    return PayloadHtml(mark_safe("".join(tree.parts)), tree.is_cut)  # noqa: S308 - escaped below


def leaf(value: Any) -> SafeString:
    """One value that holds no other."""
    return mark_safe(_leaf(value))  # noqa: S308 - escaped below


class _Tree:
    """Writes parts one after the other and stops when its budget of nodes is spent."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.nodes = 0
        self.is_cut = False

    def object(self, value: Mapping[str, Any], depth: int) -> None:
        self._children(((str(key), child) for key, child in value.items()), len(value), depth)

    def array(self, value: Sequence[Any], depth: int) -> None:
        columns = _columns(value)
        if columns:
            self._table(value, columns)
        else:
            pairs = ((str(position), child) for position, child in enumerate(value))
            self._children(pairs, len(value), depth)

    def node(self, key: str, value: Any, depth: int) -> None:
        self.nodes += 1
        name = f'<span class="key">{escape(_short(key, 120))}</span>' if key else ""
        if isinstance(value, dict | list) and value:
            self._branch(name, value, depth)
        else:
            copy = _COPY.format(escape(_short(key, 60), quote=True)) if key else ""
            self.parts.append(f"<li>{name}{_leaf(value)}{copy}</li>")

    def _branch(self, name: str, value: Any, depth: int) -> None:
        if depth >= MAX_DEPTH:
            self.is_cut = True
            self.parts.append(f'<li>{name}<span class="dim">… more levels</span></li>')
            return
        is_open = depth < OPEN_DEPTH and len(value) <= OPEN_CHILDREN
        self.parts.append(
            f"<li><details{' open' if is_open else ''}><summary>{name}"
            f'<span class="dim">{_size(value)}</span></summary>'
        )
        if isinstance(value, dict):
            self.object(value, depth + 1)
        else:
            self.array(value, depth + 1)
        self.parts.append("</details></li>")

    def _children(self, pairs: Iterable[tuple[str, Any]], count: int, depth: int) -> None:
        self.parts.append('<ul class="tree">')
        shown = 0
        for key, child in islice(pairs, MAX_CHILDREN):
            if self.nodes >= MAX_NODES:
                break
            self.node(key, child, depth)
            shown += 1
        if shown < count:
            self.is_cut = True
            self.parts.append(f'<li class="dim">… {count - shown:,} more</li>')
        self.parts.append("</ul>")

    def _table(self, rows: Sequence[Mapping[str, Any]], columns: list[str]) -> None:
        head = "".join(f'<th scope="col">{escape(_short(name, 60))}</th>' for name in columns)
        self.parts.append(
            f'<div class="tree-table" tabindex="0" role="group" aria-label="Table">'
            f'<table class="table"><thead><tr>{head}</tr></thead><tbody>'
        )
        shown = 0
        for row in rows[:MAX_TABLE_ROWS]:
            if self.nodes >= MAX_NODES:
                break
            self.nodes += len(columns)
            cells = "".join(
                f"<td>{_leaf(row[name]) if name in row else ''}</td>" for name in columns
            )
            self.parts.append(f"<tr>{cells}</tr>")
            shown += 1
        self.parts.append("</tbody></table></div>")
        if shown < len(rows):
            self.is_cut = True
            self.parts.append(f'<p class="dim">… {len(rows) - shown:,} more rows</p>')


def _columns(rows: Sequence[Any]) -> list[str]:
    """The columns of an array of flat objects that are alike; none if it is anything else."""
    if len(rows) < 2:
        return []
    columns: dict[str, None] = {}
    for row in rows[:MAX_TABLE_ROWS]:
        if not isinstance(row, dict) or len(row) > MAX_COLUMNS:
            return []
        if any(isinstance(cell, dict | list) for cell in row.values()):
            return []
        columns |= dict.fromkeys(row)
        if not 0 < len(columns) <= MAX_COLUMNS:
            return []
    # Rows further down are not looked at for nested values: they are not shown.
    return list(columns)


def _leaf(value: Any) -> str:
    match value:
        case None:
            return '<span class="val nil">null</span>'
        case bool():
            return f'<span class="val bool">{str(value).lower()}</span>'
        case int() | float():
            return f'<span class="val num">{escape(_short(json.dumps(value), CUT))}</span>'
        case str():
            return _text(value)
        case _:
            return f'<span class="val nil">{"{}" if isinstance(value, dict) else "[]"}</span>'


def _text(value: str) -> str:
    if not value:
        return '<span class="val nil">“”</span>'
    if len(value) <= CUT:
        return f'<span class="val str">{escape(value)}</span>'
    rest = "" if len(value) <= MAX_TEXT else f" … {len(value) - MAX_TEXT:,} more characters"
    return (
        f'<details class="long"><summary><span class="str">{escape(value[:CUT])}…</span> '
        f'<span class="more">Show all {len(value):,} characters</span></summary>'
        f'<span class="val str">{escape(value[:MAX_TEXT])}{rest}</span></details>'
    )


def _size(value: Any) -> str:
    noun = "field" if isinstance(value, dict) else "item"
    return f"{len(value):,} {noun}{'' if len(value) == 1 else 's'}"


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
