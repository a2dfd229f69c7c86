"""POLICY, in a document: spans of time as people write them. Pure."""

import re

_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WORDS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_SPAN = re.compile(r"(?:(\d{1,9})d)?\s*(?:(\d{1,9})h)?\s*(?:(\d{1,9})m)?\s*(?:(\d{1,9})s)?")


def read_span(text: object, unit: str) -> int:
    """“1d 12h”, “90m” or “30s” as whole `unit`s (d, h, m or s); ValueError with the reason."""
    found = _SPAN.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or not any(found.groups()):
        raise ValueError(f"“{text}” is not a span of time. Write it as 30s, 15m, 2h or 1d 12h.")
    seconds = sum(
        int(number) * size
        for number, size in zip(found.groups(), _SECONDS.values(), strict=True)
        if number
    )
    if seconds % _SECONDS[unit]:
        raise ValueError(f"“{text}” is not a number of whole {_WORDS[unit]}.")
    return seconds // _SECONDS[unit]


def write_span(number: int, unit: str) -> str:
    """The shortest text that `read_span` reads as the same `number`."""
    left, said = number * _SECONDS[unit], []
    for letter, size in _SECONDS.items():
        count, left = divmod(left, size)
        if count:
            said.append(f"{count}{letter}")
    return " ".join(said) or f"0{unit}"
