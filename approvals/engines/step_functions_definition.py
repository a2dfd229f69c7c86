"""CALLBACK OUT, meanwhile: what a state machine's definition says of its states' times. No calls.

States are found by name wherever they stand, in branches of a Parallel and inside a Map too: a
name is given once in a state machine. Only fixed numbers count: a path or a JSONata expression is
worth something else in each execution.
"""

import json
import threading
import time
from collections import OrderedDict
from typing import Any

from approvals.engines.base import Times
from approvals.errors import CallbackRefused

LONGEST = 99_999_999  # seconds; the most that Step Functions takes

# By state's name; or why it can't be seen.
States = dict[str, Times] | CallbackRefused


def states_of(definition: str) -> dict[str, Times]:
    """The times of each state that says any, in JSONPath and in JSONata definitions alike."""
    try:
        left: list[Any] = [json.loads(definition)]
    except (ValueError, RecursionError):
        return {}
    found: dict[str, Times] = {}
    while left:
        machine = left.pop()
        states = machine.get("States") if isinstance(machine, dict) else None
        for name, state in states.items() if isinstance(states, dict) else ():
            if isinstance(state, dict):
                found[name] = Times(
                    heartbeat_seconds=_seconds(state.get("HeartbeatSeconds")),
                    timeout_seconds=_seconds(state.get("TimeoutSeconds")),
                )
                branches = state.get("Branches")
                left += branches if isinstance(branches, list) else []
                left += [state.get("ItemProcessor"), state.get("Iterator")]
    return found


def _seconds(value: Any) -> int | None:
    return value if type(value) is int and 0 < value <= LONGEST else None


class Definitions:
    """What was read in the last minute, by state machine: AWS answers one such call a second.

    An execution that runs an older or newer revision than the one read is told this one's times.
    """

    KEPT = 60.0  # seconds
    MOST = 256

    def __init__(self) -> None:
        self._read: OrderedDict[str, tuple[float, States]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, execution_id: str) -> States | None:
        with self._lock:
            until, states = self._read.get(_machine(execution_id), (0.0, None))
            return states if time.monotonic() < until else None

    def keep(self, execution_id: str, states: States) -> None:
        with self._lock:
            machine = _machine(execution_id)
            self._read[machine] = (time.monotonic() + self.KEPT, states)
            self._read.move_to_end(machine)
            if len(self._read) > self.MOST:
                self._read.popitem(last=False)


def _machine(execution_id: str) -> str:
    """An execution's ARN without the execution's own name."""
    return execution_id.rpartition(":")[0] or execution_id
