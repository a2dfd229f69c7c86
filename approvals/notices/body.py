"""NOTICES, the text of a mail: the same as its HTML shows, in lines of 72 columns. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from approvals.notices.item import Item, Said
from approvals.notices.plain import WIDTH, columns, wrap


def text(context: Mapping[str, Any]) -> str:
    """`context` is the template's."""
    written = _one(context) if "item" in context else _digest(context)
    parts = [part for part in written if part.strip()]
    below = [context["about_links"], context["because"]]
    foot = "\n\n".join(wrap(one) for one in below if one)
    address = f"{context['preferences_label']}:\n{context['preferences_url']}"
    return "\n\n".join(parts) + f"\n\n-- \n{foot}\n\n{address}\n"


def _one(context: Mapping[str, Any]) -> Iterator[str]:
    item: Item = context["item"]
    names = context["facts"]
    yield _heading(item.title, "=")
    yield wrap(f"{item.badge} · {item.gate_name}")
    yield wrap(item.question)
    yield wrap(item.lead)
    yield _quoted(item.quote)
    yield _table(_facts(item, names))
    yield wrap(item.summary_text, "  ")
    yield wrap(item.summary_cut, "  ")
    if item.fields:
        yield wrap(names["changed_input" if item.is_changed else "input"])
        yield "\n".join(filter(None, [_table(item.fields, "  "), wrap(item.more_fields, "  ")]))
    if item.links:
        yield names["links"]
        yield "\n".join(f"  {words}:\n  {url}" for words, url in item.links)
    if item.decisions:
        yield names["decisions"]
        yield "\n".join(_said(one) for one in item.decisions)
    yield "\n".join(wrap(f"{label}: {effect}") for label, effect in item.effects)
    for button in item.buttons:
        yield f"{button.label}:\n{button.url}"
    if item.open_url:
        yield f"{item.open_label}:\n{item.open_url}"


def _digest(context: Mapping[str, Any]) -> Iterator[str]:
    yield _heading(context["heading"], "=")
    for section in context["sections"]:
        yield _heading(section.name, "-")
        for item in section.items:
            yield "\n".join(_entry(item))
        yield section.more
    yield f"{context['inbox_label']}:\n{context['inbox_url']}"


def _entry(item: Item) -> Iterator[str]:
    yield wrap(item.title)
    about = ["" if item.is_plain else item.badge, item.gate_name, item.requested_by]
    yield wrap(" · ".join(filter(None, about)), "  ")
    if item.deadline_words:
        yield wrap(f"{item.deadline_words} ({item.left})", "  ")
    if item.quote:
        yield wrap(item.quote, "  > ")
    if url := item.main.url if item.main else item.open_url:
        yield f"  {url}"


def _facts(item: Item, names: Mapping[str, str]) -> list[tuple[str, str]]:
    deadline = f"{item.deadline_words} ({item.left})" if item.deadline_words else ""
    rows = [
        (names["deadline"], deadline),
        (names["requested_by"], item.requested_by),
        (names["workflow"], item.where),
        (names["approvals"], item.approvals),
    ]
    return [row for row in rows if row[1]]


def _heading(title: str, line: str) -> str:
    lines = wrap(title)
    return f"{lines}\n{line * min(WIDTH, max(map(columns, lines.splitlines())))}"


def _quoted(said: str) -> str:
    return wrap(said, "> ") if said else ""


def _said(one: Said) -> str:
    line = wrap(f"{one.who}: {one.words}", "  ")
    return f"{line}\n{wrap(one.comment, '  > ')}" if one.comment else line


def _table(rows: list[tuple[str, str]], indent: str = "") -> str:
    """Names before values; the values below each other where the names are short."""
    room = max((columns(name) for name, _ in rows if columns(name) <= 24), default=0) + 2
    lines = []
    for name, value in rows:
        said = f"{name}:" if name else ""
        hang = " " * (len(indent) + room)
        first, *rest = wrap(value, hang).split("\n")
        pad = " " * max(1, room - columns(said))
        lines += [f"{indent}{said}{pad}{first.strip()}", *rest]
    return "\n".join(lines)
