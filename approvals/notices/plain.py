"""NOTICES, text that reads by itself: cleaned, cut, wrapped, and HTML as text. Pure."""

import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import islice
from typing import Any

from approvals.notices import words

WIDTH = 72
MAX_FIELDS, MAX_KEY, MAX_VALUE = 12, 48, 160

# They turn the order of what follows around, so that “fdp.exe” reads as something else.
_DIRECTIONS = dict.fromkeys([0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_BREAKS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` without what terminals, mail headers and readers could be fooled by."""
    return _BREAKS.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n")).translate(_DIRECTIONS)


def one_line(text: str, length: int = 200) -> str:
    return cut(" ".join(clean(text).split()), length)


def cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def cut_lines(text: str, length: int) -> tuple[str, bool]:
    """The first lines of `text` up to `length` characters, and whether something is missing."""
    if len(text) <= length:
        return text, False
    head, _, _ = text[:length].rpartition("\n")
    return head if len(head) > length // 2 else cut(text, length), True


def wrap(text: str, indent: str = "") -> str:
    """Lines of at most `WIDTH` columns; addresses stay whole, and so do words of Latin script."""
    return "\n".join(
        f"{indent}{line}".rstrip()
        for paragraph in text.split("\n")
        for line in _lines(paragraph, WIDTH - len(indent))
    )


def _lines(paragraph: str, width: int) -> list[str]:
    lines, line = [], ""
    # Between two wide characters a line may end anywhere.
    for piece in re.findall(r"[ \t]+|[\u2e80-\u9fff\uf900-\uffef]|[^ \t\u2e80-\u9fff]+", paragraph):
        if line.strip() and columns(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece if line or not lines else piece.lstrip()
    return [*lines, line]


def columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def fields_of(payload: Any) -> tuple[list[tuple[str, str]], int]:
    """The first fields of a payload as names and values, and how many more there are. What lies
    one level further down is shown too, by dotted names."""
    if not isinstance(payload, dict):
        return [] if payload is None else [("", _value(payload))], 0
    found = list(islice(_fields(payload), MAX_FIELDS))
    total = sum(len(value) if _is_object(value) else 1 for value in payload.values())
    return found, total - len(found)


def _fields(payload: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in payload.items():
        inner = value.items() if _is_object(value) else [("", value)]
        for name, one in inner:
            yield one_line(f"{key}.{name}" if name else key, MAX_KEY), _value(one)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _value(value: Any) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case str():
            return one_line(value[: 2 * MAX_VALUE], MAX_VALUE) or "“”"
        case list():
            plain = [one for one in value[:8] if isinstance(one, str | int | float)]
            if 0 < len(plain) == len(value):
                return cut(", ".join(_value(one) for one in plain), MAX_VALUE)
            return words.items(len(value))
        case dict():
            return words.fields(len(value))
    return one_line(str(value), MAX_VALUE)


def from_html(html: str) -> str:
    """What `inbox.markdown` made, as text: lists with dashes, each address behind its words."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return re.sub(r"\n{3,}", "\n\n", "".join(reader.parts)).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._lists: list[int] = []  # the next number of each list we are in; 0: dashes
        self._address = ""
        self._words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        match tag:
            case "ul" | "ol":
                self._lists.append(int(dict(attrs).get("start") or 1) if tag == "ol" else 0)
                self._end_line()
            case "li":
                self._end_line()
                self.parts.append("  " * (len(self._lists) - 1) + self._mark())
            case "br" | "tr":
                self._end_line()
            case "hr":
                self.parts.append("\n\n---\n\n")
            case "a":
                self._address, self._words = dict(attrs).get("href") or "", ""

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "p" | "blockquote" | "pre" | "table" | "h4" | "h5" | "h6":
                self.parts.append("\n" if self._lists else "\n\n")
            case "ul" | "ol":
                self._lists.pop()
                self.parts.append("" if self._lists else "\n\n")
            case "td" | "th":
                self.parts.append("  ")
            case "a":
                if self._address and self._address != self._words.strip():
                    self.parts.append(f" ({self._address})")
                self._address = ""

    def handle_data(self, data: str) -> None:
        # The line breaks between tags say nothing.
        if data.strip() or "\n" not in data:
            self.parts.append(data)
            self._words += data

    def _mark(self) -> str:
        if not self._lists or not self._lists[-1]:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1] - 1}. "

    def _end_line(self) -> None:
        if self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\n")
