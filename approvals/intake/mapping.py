"""MESSAGE IN, for shapes of an installation's own: a source's JMESPath expressions. Pure."""

from collections.abc import Mapping
from typing import Any

FIELDS = ("token", "title", "summary", "requestedBy", "gate", "deadline", "links", "input")


def mapped(payload: dict[str, Any], mapping: Mapping[str, str]) -> dict[str, Any]:
    """The canonical payload that `mapping` (field → JMESPath expression) makes of `payload`.

    Raises `MessageNotUnderstood` with `bad_mapping`.
    """
    raise NotImplementedError
