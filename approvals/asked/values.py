"""WHAT IS ASKED, values: JSON that people sent, before anything is done with it. Pure."""

import json
from collections.abc import Iterator
from typing import Any

from approvals.intake.masking import storable


def every_value(value: Any) -> Iterator[Any]:
    """`value` and all within it."""
    yield value
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from every_value(one)


def problem_with(value: Any) -> str:
    """Why `value` is no JSON that PostgreSQL keeps, in words, or ""."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return "This is no JSON."
    for one in every_value(value):
        texts = one if isinstance(one, dict) else [one] if isinstance(one, str) else ()
        if any(storable(text) != text for text in texts):
            return "This holds characters that can't be kept."
    return ""
