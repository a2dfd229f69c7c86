"""CALLBACK OUT, looking back: what an execution's history says about one step. Pure, no calls.

A try of a step is a chain of events, each naming the one before it: TaskScheduled, TaskStarted,
TaskSubmitted, then whatever ended it (TaskSucceeded, TaskFailed, TaskTimedOut, …). The step is
found by its token, which TaskScheduled shows among the parameters, else by the state's name.
Events are kept without their data: a history may hold gigabytes.
"""

from dataclasses import dataclass
from typing import Any

from approvals.engines.base import Fate, Step

MAX_PAGES = 10
WAITING = {"TaskScheduled", "TaskStarted", "TaskSubmitted"}


@dataclass(frozen=True, slots=True)
class _Event:
    id: int
    previous: int
    kind: str
    state: str  # of the events that enter a state
    waits_for_token: bool
    has_token: bool
    has_decision: bool
    is_mute: bool  # a failure without a cause


class History:
    """Pages go in, newest event first; the fate comes out."""

    def __init__(self, step: Step, decision_id: str) -> None:
        self._state = step.state
        # Some JSON writers escape the padding.
        self._token = step.token.reveal().rstrip("=") if step.token else ""
        self._decision_id = decision_id
        self._events: dict[int, _Event] = {}
        self._pages = 0
        self._complete = False

    def add(self, events: list[dict[str, Any]], *, last: bool) -> None:
        for event in map(self._bare, events):
            self._events[event.id] = event
        self._pages += 1
        self._complete = last

    def wants_more(self) -> bool:
        """Not once the step is found by its token: whatever came of it is newer than it."""
        seen = any(event.has_token or event.has_decision for event in self._events.values())
        return not (seen or self._complete or self._pages == MAX_PAGES)

    def fate(self, running: bool) -> Fate:
        """What became of the step, of an execution that is `running` or over."""
        if any(event.has_decision for event in self._events.values()):
            return Fate.OURS
        tries = [event for event in self._events.values() if event.has_token]
        if not tries and not self._complete:
            return Fate.UNKNOWN
        tries = tries or [event for event in self._events.values() if self._looks_like_it(event)]
        ends = [self._last_of(event) for event in tries]
        if running and any(end.kind in WAITING for end in ends):
            return Fate.WAITING  # the right one, or harmless: a dead token refuses a second answer
        if self._decision_id and any(end.is_mute for end in ends):
            return Fate.UNKNOWN  # ours has a cause, yet emulators lose it (moto)
        return Fate.OTHERWISE if ends or not running else Fate.UNKNOWN

    def _bare(self, event: dict[str, Any]) -> _Event:
        kind = event["type"]
        details: dict[str, Any] = next(
            (value for name, value in event.items() if name.endswith("EventDetails")), {}
        )
        answer = (details.get("output") or "") + (details.get("cause") or "")
        return _Event(
            id=event["id"],
            previous=event.get("previousEventId", 0),
            kind=kind,
            state=details.get("name", "") if kind == "TaskStateEntered" else "",
            waits_for_token=details.get("resource", "").endswith(".waitForTaskToken"),
            has_token=kind == "TaskScheduled"
            and bool(self._token)
            and self._token in (details.get("parameters") or ""),
            has_decision=kind in {"TaskSucceeded", "TaskFailed"}
            and bool(self._decision_id)
            and self._decision_id in answer,
            is_mute=kind == "TaskFailed" and not details.get("cause"),
        )

    def _looks_like_it(self, event: _Event) -> bool:
        if event.kind != "TaskScheduled" or not event.waits_for_token:
            return False
        at: _Event | None = event
        while self._state and at and not at.state:
            at = self._events.get(at.previous)
        return not self._state or (at is not None and at.state == self._state)

    def _last_of(self, scheduled: _Event) -> _Event:
        """Where the chain of one try ends: still waiting, or what ended it."""
        after = {event.previous: event for event in self._events.values()}
        last = scheduled
        while last.kind in WAITING and last.id in after:
            last = after[last.id]
        return last
