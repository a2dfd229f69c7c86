"""WHAT IS ASKED, patterns: a regular expression is used only if no text can make it hang. Pure.

Python's own matching tries every way in which repeats can share a text. How many ways those are
can be told from the pattern alone, since no text is longer than `LONGEST`.
"""

import re
from math import prod
from re import _constants as op, _parser  # type: ignore[attr-defined]
from typing import Any

LONGEST = 200  # characters of a text that is held against a pattern
MOST_WAYS = 10_000_000  # about a tenth of a second

_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT)
_ONE_WAY = frozenset({op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN, op.AT, op.RANGE, op.CATEGORY})


def problem_with(pattern: str) -> str:
    """Why `pattern` can't be used, in words, or ""."""
    try:
        re.compile(pattern)
        tree = list(_parser.parse(pattern))
        ways = _ways(tree)
    except (re.error, OverflowError, RecursionError):
        return "The pattern can't be read."
    except _TooManyWays:
        return "The pattern repeats what repeats or looks around; write it more simply."
    starts = 1 if tree and tree[0] == (op.AT, op.AT_BEGINNING) else LONGEST
    return "" if ways * starts <= MOST_WAYS else "The pattern has too many open ends; use fewer."


class _TooManyWays(Exception):
    """Nothing bounds it."""


def _ways(tree: Any) -> int:
    """In how many ways a text of `LONGEST` characters can be shared out among `tree`."""
    return prod(_ways_of(*node) for node in tree)


def _ways_of(kind: Any, argument: Any) -> int:
    if kind in _ONE_WAY:
        return 1
    if kind is op.SUBPATTERN:
        return _ways(argument[-1])
    if kind is op.BRANCH:
        return sum(map(_ways, argument[1]))
    if kind in _REPEATS:
        least, most, inner = argument
        most = min(int(most), LONGEST)
        inside = _ways(inner)
        if inside > 1 and most > 4:
            raise _TooManyWays
        return int(inside**most) * max(1, most - least + 1)
    raise _TooManyWays
