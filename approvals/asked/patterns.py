"""WHAT IS ASKED, patterns: a regular expression is used only if no text can make it hang. Pure.

Python's own matching tries every way in which repeats can share a text. How many ways those are
can be told from the pattern alone, since no text is longer than `LONGEST`.
"""

import re
from functools import lru_cache
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
        ways = ways_through(pattern, LONGEST)
    except (re.error, OverflowError, RecursionError):
        return "The pattern can't be read."
    except _TooManyWays:
        return "The pattern repeats what repeats or looks around; write it more simply."
    return "" if ways <= MOST_WAYS else "The pattern has too many open ends; use fewer."


class _TooManyWays(Exception):
    """Nothing bounds it."""


@lru_cache(maxsize=1_000)
def ways_through(pattern: str, length: int) -> int:
    """In how many ways at most a text of `length` characters is held against `pattern`."""
    parsed = _parser.parse(pattern)
    tree, each_line = list(parsed), parsed.state.flags & re.MULTILINE
    once = tree and tree[0] == (op.AT, op.AT_BEGINNING) and not each_line
    return _ways(tree, length) * (1 if once else max(1, length))


def _ways(tree: Any, length: int) -> int:
    """In how many ways so long a text can be shared out among `tree`."""
    return prod(_ways_of(kind, argument, length) for kind, argument in tree)


def _ways_of(kind: Any, argument: Any, length: int) -> int:
    if kind in _ONE_WAY:
        return 1
    if kind is op.SUBPATTERN:
        return _ways(argument[-1], length)
    if kind is op.BRANCH:
        return sum(_ways(one, length) for one in argument[1])
    if kind in _REPEATS:
        least, most, inner = argument
        most = min(int(most), length)
        inside = _ways(inner, length)
        if inside > 1 and most > 4:
            raise _TooManyWays
        return int(inside**most) * max(1, most - least + 1)
    raise _TooManyWays
