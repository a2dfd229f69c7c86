"""The door, what happened to a task: audit events and callback attempts, merged, newest last."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from approvals.inbox import times
from approvals.models import ApprovalTask, Attempt, AuditEvent
from approvals.states import AttemptResult

Action = AuditEvent.Action

_LIMIT = 200  # of either kind; a callback that is tried for days has many attempts
_TONES: dict[str, str] = {
    Action.APPROVED: "approve",
    Action.REJECTED: "reject",
    Action.DELIVERED: "approve",
    Action.UNCONFIRMED: "soon",
    Action.DEAD: "reject",
    Action.EXPIRED: "soon",
    Action.ENDED: "soon",
    Action.CANCELLED: "soon",
}


@dataclass(frozen=True, slots=True)
class Entry:
    at: dt.datetime
    words: str
    note: str = ""
    tone: str = ""

    @property
    def when(self) -> SafeString:
        return times.tag(self.at, times.clock(self.at))


def timeline(
    task: ApprovalTask, engine: str, events: Sequence[AuditEvent], attempts: Sequence[Attempt]
) -> list[Entry]:
    entries = [_of_event(event, engine) for event in events]
    # An attempt that changed the callback has an event of its own.
    told = {event.data.get("attempt") for event in events}
    entries += [_of_attempt(one, engine) for one in attempts if one.number not in told]
    return sorted(entries, key=lambda entry: entry.at)


def events_of(task: ApprovalTask) -> list[AuditEvent]:
    newest = task.audit_events.order_by("-id")[:_LIMIT]
    return list(reversed(newest))


def attempts_of(task: ApprovalTask) -> list[Attempt]:
    newest = Attempt.objects.filter(callback__task=task).order_by("-number")[:_LIMIT]
    return list(reversed(newest))


def _of_event(event: AuditEvent, engine: str) -> Entry:
    who, data = event.actor_name or "Countersign", event.data
    words: dict[str, str] = {
        Action.RECEIVED: f"Received from {data.get('source', 'a source')}",
        Action.APPROVED: f"{who} approved",
        Action.REJECTED: f"{who} rejected",
        Action.SETTLED: f"Settled as {data.get('outcome', '')}",
        Action.ENDED: "The workflow ended",
        Action.EXPIRED: "Time ran out",
        Action.CANCELLED: f"{who} withdrew it",
        Action.DELIVERED: f"{engine} has been told",
        Action.UNCONFIRMED: f"The answer of {engine} was lost",
        Action.DEAD: f"{engine} could not be told",
        Action.REPLAYED: f"{who} sent the answer again",
        Action.SET_ASIDE: f"{who} set the answer aside",
    }
    note = data.get("comment") or data.get("detail") or data.get("reason") or ""
    said = words.get(event.action) or event.get_action_display()
    return Entry(event.at, said, str(note), _TONES.get(event.action, ""))


def _of_attempt(attempt: Attempt, engine: str) -> Entry:
    if attempt.result == AttemptResult.STARTED:
        return Entry(attempt.started_at, f"Telling {engine}, attempt {attempt.number}")
    return Entry(
        attempt.started_at,
        f"Attempt {attempt.number}: {attempt.get_result_display().lower()}",
        attempt.detail,
        "" if attempt.result == AttemptResult.DELIVERED else "soon",
    )
