"""MESSAGE IN, third step: reads and checks the canonical fields of a payload. Pure.

What changes who may decide, what they are asked or until when (gate, reviewers, requester, form,
choices, times, de-duplication) is refused when it is wrong. What is only shown (title, summary,
links) is cut or left out, and stays visible in the input.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from approvals.errors import MessageNotUnderstood
from approvals.intake.context import instant
from approvals.intake.masking import Mask
from approvals.intake.message import Link, Reviewers
from approvals.intake.names import fold, lookup

MAX_TITLE_LENGTH = 200
MAX_SUMMARY_LENGTH = 10_000
MAX_REQUESTED_BY_LENGTH = 254
MAX_DEDUPE_KEY_LENGTH = 200
MAX_REVIEWERS = 50  # names of either kind
MAX_LINKS = 20
MAX_LINK_ENTRIES = 100  # that are looked at, to find so many good ones
MAX_URL_LENGTH = 2_000
MAX_HEARTBEAT_SECONDS = 31_536_000  # a year
MAX_TIMEOUT_SECONDS = 99_999_999  # what a state machine may say

_GATE = re.compile(r"[A-Za-z0-9_-]{1,60}")
_DIGITS = re.compile(r"[0-9]{1,9}")
# Controls, and the marks that turn the direction of writing, by which a line can pose as another.
_NOT_PRINTED = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def read_fields(
    payload: dict[str, Any], inner: dict[str, Any], mask: Mask
) -> tuple[dict[str, Any], set[str]]:
    """The canonical fields, from `payload` first, else from its input object `inner`.

    Returns arguments for `IncomingMessage`, and the keys of `payload` that they show completely.
    Raises `MessageNotUnderstood` with `bad_field`; the text names the field, never its value.
    """
    found: dict[str, Any] = {}
    shown: set[str] = set()
    levels = [(level, {fold(key): key for key in reversed(level)}) for level in (payload, inner)]
    for name, (attribute, read, limit) in _FIELDS.items():
        for level, keys in levels:
            key = name if name in level else keys.get(name.lower())
            if key is None:
                continue
            blank = level[key] is None or level[key] == ""
            if not blank and _is_business_data(name, level[key], level is not payload):
                continue
            value = None if blank else read(name, level[key], mask)
            if level is payload and (blank or (value is not None and _fits(value, limit))):
                shown.add(key)
            if value is not None:
                found[attribute] = cut(value, limit) if limit else value
                break
    return found, shown


def cut(text: str, limit: int) -> str:
    """`text` in at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def one_line(text: str, mask: Mask) -> str:
    """`text` on one line, without control characters and without the token."""
    return mask.text(_NOT_PRINTED.sub("\ufffd", " ".join(text.split())))


def _is_business_data(name: str, value: Any, is_inner: bool) -> bool:
    """These are everyday words: where they can't be meant for us, they are the workflow's own."""
    match name:
        case "deadline":
            return is_inner and instant(value) is None
        case "reviewers":
            is_ours = isinstance(value, dict) and value and set(value) <= {"users", "groups"}
            return is_inner or not is_ours
        case "form":
            return not isinstance(value, dict) or (is_inner and "properties" not in value)
        case "choices":
            return is_inner or not isinstance(value, list) or not value
    return False


def _fits(value: Any, limit: int | None) -> bool:
    return limit is None or len(value) <= limit


def _bad(name: str, rule: str) -> MessageNotUnderstood:
    return MessageNotUnderstood("bad_field", f"The field {name} {rule}.")


def _title(name: str, value: Any, mask: Mask) -> str | None:
    return one_line(value, mask) or None if isinstance(value, str) else None


def _summary(name: str, value: Any, mask: Mask) -> str | None:
    return mask.text(value) if isinstance(value, str) else None


def _gate(name: str, value: Any, mask: Mask) -> str:
    text = mask.text(value.strip()) if isinstance(value, str) else ""
    if not _GATE.fullmatch(text):
        raise _bad(name, "has to be a gate's short name: letters, digits, - and _, at most 60")
    return text


def _requested_by(name: str, value: Any, mask: Mask) -> str:
    text = one_line(_as_text(value), mask)
    if not text or len(text) > MAX_REQUESTED_BY_LENGTH:
        raise _bad(name, f"has to be a text of at most {MAX_REQUESTED_BY_LENGTH} characters")
    return text


def _dedupe_key(name: str, value: Any, mask: Mask) -> str | None:
    text = one_line(_as_text(value), mask)
    if mask.hits(_as_text(value)):
        return None  # masked, it would be the same for every message; the token is unique anyway
    if not text or len(text) > MAX_DEDUPE_KEY_LENGTH:
        raise _bad(name, f"has to be a text of at most {MAX_DEDUPE_KEY_LENGTH} characters")
    return text


def _as_text(value: Any) -> str:
    """A text, or a number as a text; "" for anything else."""
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int) else ""


def _seconds(most: int) -> Callable[[str, Any, Mask], int]:
    def read(name: str, value: Any, mask: Mask) -> int:
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not 1 <= value <= most:
            raise _bad(name, f"has to be a whole number of seconds from 1 to {most:,}")
        return value

    return read


def _deadline(name: str, value: Any, mask: Mask) -> datetime:
    moment = instant(value)
    if moment is None:
        raise _bad(name, "has to be a time in ISO 8601, such as 2026-11-22T17:00:00Z")
    return moment


def _links(name: str, value: Any, mask: Mask) -> tuple[Link, ...] | None:
    entries = value[:MAX_LINK_ENTRIES] if isinstance(value, list) else [value]
    links = [link for entry in entries if (link := _link(entry, mask))]
    return tuple(links[:MAX_LINKS]) or None


def _link(entry: Any, mask: Mask) -> Link | None:
    """A link that is safe to press, else None: one with the token in it would give it away."""
    url = entry if isinstance(entry, str) else lookup(entry, "url")
    if not isinstance(url, str) or len(url) > MAX_URL_LENGTH:
        return None
    url = url.strip()
    if not url.isprintable() or " " in url or "\\" in url or mask.hits(url):
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        return None
    if not usable or "@" in parts.netloc:  # https://bank.example@evil.example
        return None
    title = lookup(entry, "title")
    shown = one_line(title, mask) if isinstance(title, str) else ""
    return Link(title=cut(shown or url, MAX_TITLE_LENGTH), url=url)


def _reviewers(name: str, value: Any, mask: Mask) -> Reviewers:
    users, groups = (_names(value.get(kind), mask) for kind in ("users", "groups"))
    if not users and not groups:
        raise _bad(name, "names nobody")
    return Reviewers(users, groups)


def _names(value: Any, mask: Mask) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value or []
    if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
        raise _bad("reviewers", "has to hold lists of names: users, groups")
    if len(listed) > MAX_REVIEWERS or any(len(one) > MAX_REQUESTED_BY_LENGTH for one in listed):
        raise _bad(
            "reviewers", f"takes {MAX_REVIEWERS} names of {MAX_REQUESTED_BY_LENGTH} characters"
        )
    return tuple(dict.fromkeys(one_line(one, mask) for one in listed))


def _form(name: str, value: Any, mask: Mask) -> dict[str, Any]:
    masked: dict[str, Any] = mask.value(value)
    return masked


def _choices(name: str, value: Any, mask: Mask) -> tuple[Any, ...]:
    return tuple(mask.value(value))


_FIELDS: dict[str, tuple[str, Callable[[str, Any, Mask], Any], int | None]] = {
    "title": ("title", _title, MAX_TITLE_LENGTH),
    "summary": ("summary", _summary, MAX_SUMMARY_LENGTH),
    "gate": ("gate", _gate, None),
    "requestedBy": ("requested_by", _requested_by, None),
    "links": ("links", _links, None),
    "reviewers": ("reviewers", _reviewers, None),
    "form": ("form", _form, None),
    "choices": ("choices", _choices, None),
    "heartbeatSeconds": ("heartbeat_seconds", _seconds(MAX_HEARTBEAT_SECONDS), None),
    "timeoutSeconds": ("timeout_seconds", _seconds(MAX_TIMEOUT_SECONDS), None),
    "deadline": ("deadline", _deadline, None),
    "dedupeKey": ("dedupe_key", _dedupe_key, None),
}
