"""MESSAGE IN, first step: from a raw body to a JSON value that is safe to walk. Pure."""

import json
import math
import re
from typing import Any

from approvals.errors import MessageNotUnderstood

MAX_BYTES = 1_048_576  # what SQS carries at most
MAX_DEPTH = 50
MAX_INT_DIGITS = 1_000  # Python refuses to print more than 4,300

# A whole string (an unterminated one reaches to the end, so that the scan stays linear), or one
# bracket outside of strings.
_STRUCTURE = re.compile(r'"(?:[^"\\]+|\\.?)*+(?:"|\Z)|[\[\]{}]', re.DOTALL)


def parse(body: str | bytes) -> Any:
    """The JSON value in `body`, at most 1 MiB of UTF-8 and 50 levels deep.

    Numbers that Python can't hold exactly come back as the text they were sent as, so that a
    reviewer reads what the workflow wrote and the database never meets an `Infinity`.

    Raises `MessageNotUnderstood`: `too_large`, `not_text`, `empty`, `too_deep`, `not_json`,
    `duplicate_key`. Its text never quotes the body.
    """
    text = _text(body)
    _check_depth(text)
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MessageNotUnderstood(
            "not_json", f"The message is not JSON: the mistake is at {where}."
        ) from None


def _text(body: str | bytes) -> str:
    encoded = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    if len(encoded) > MAX_BYTES:
        raise MessageNotUnderstood(
            "too_large", f"The message is larger than {MAX_BYTES:,} bytes, the most that is taken."
        )
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
    except UnicodeDecodeError:
        raise MessageNotUnderstood("not_text", "The message is not text in UTF-8.") from None
    text = text.removeprefix("\ufeff")  # some senders on Windows put a byte order mark first
    if not text.strip():
        raise MessageNotUnderstood("empty", "The message is empty.")
    return text


def _check_depth(text: str) -> None:
    """Before parsing, since the parser itself would run out of stack."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _STRUCTURE.finditer(text):
        mark = match[0]
        if mark in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise MessageNotUnderstood(
                    "too_deep", f"The message is nested deeper than {MAX_DEPTH} levels."
                )
        elif mark in ("]", "}"):
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses a key that is there twice: a reviewer would see one value, the workflow the other."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MessageNotUnderstood(
            "duplicate_key", "The message holds the same key twice in one object."
        )
    return result


def _int(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_INT_DIGITS else digits


def _float(digits: str) -> float | str:
    number = float(digits)
    exact = len(digits) <= 16 or repr(number) == digits
    return number if exact and math.isfinite(number) else digits


def _constant(name: str) -> None:
    raise MessageNotUnderstood("not_json", f"The message is not JSON: {name} is not a number.")


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant
)
