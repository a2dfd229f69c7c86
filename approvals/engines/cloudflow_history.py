"""CALLBACK OUT, looking back: what the events of a CloudFlow execution say about one step. Pure.

The vendor publishes no list of event types and no format of their details. So a decision counts as
ours where its id stands anywhere in them, since only our answer brings it there; and whether a step
waits is read from how its last event's type ends. What ends otherwise tells nothing.
"""

from dataclasses import dataclass

from approvals.engines.base import Fate

MAX_PAGES = 5
BEGINS = ("Entered", "Scheduled", "Started", "Submitted")
ENDS = ("Exited", "Succeeded", "Failed", "TimedOut", "Stopped", "Aborted")


@dataclass(frozen=True, slots=True)
class Event:
    kind: str  # TaskScheduled, StepEntered, …
    step: str  # blank: of the execution itself
    detail: str  # JSON text


class History:
    """Pages go in, the oldest event first; the fate comes out."""

    def __init__(self, state: str, decision_id: str) -> None:
        self._state, self._decision_id = state, decision_id
        self._last: dict[str, str] = {}  # step -> type of its last event
        self._is_ours = False
        self._pages = 0
        self._complete = False

    def add(self, events: list[Event], *, last: bool) -> None:
        for event in events:
            if event.step:
                self._last[event.step] = event.kind
            if self._decision_id and self._decision_id in event.detail:
                self._is_ours = True
        self._pages += 1
        self._complete = last

    def wants_more(self) -> bool:
        return not (self._is_ours or self._complete or self._pages == MAX_PAGES)

    def fate(self, running: bool) -> Fate:
        """What became of the step, of an execution that is `running` or over."""
        if self._is_ours:
            return Fate.OURS
        if not self._complete:
            return Fate.UNKNOWN
        if not running:
            return Fate.OTHERWISE
        kinds = [
            kind for step, kind in self._last.items() if not self._state or step == self._state
        ]
        if any(kind.endswith(BEGINS) for kind in kinds):
            return Fate.WAITING  # perhaps another try: harmless, a dead token takes no answer
        over = bool(kinds) and all(kind.endswith(ENDS) for kind in kinds)
        return Fate.OTHERWISE if over else Fate.UNKNOWN
