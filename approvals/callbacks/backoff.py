"""CALLBACK OUT: how long to wait before the next try. Pure."""

import random

FIRST, LONGEST = 1.0, 300.0  # seconds
SLOW = 60.0  # where an operator has to act first: keys, permissions


def pause(failures: int, *, slow: bool = False, roll: float | None = None) -> float:
    """Seconds until the next try after `failures` failed ones (1, 2, …).

    Doubles from one second to five minutes, the upper half of it at random, so that a thousand
    callbacks that failed together do not come back together. `roll` in [0, 1) is for tests.
    """
    ceiling = min(FIRST * 2 ** min(failures - 1, 20), LONGEST)
    if slow:
        ceiling = max(ceiling, SLOW)
    share = random.random() if roll is None else roll  # noqa: S311 - no secret
    return ceiling * (0.5 + share / 2)
