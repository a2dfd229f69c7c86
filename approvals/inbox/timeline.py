"""The door, what happened to a task: audit events and callback attempts, merged, newest last."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString
from django.utils.text import capfirst

from approvals.decisions import guard
from approvals.inbox import times
from approvals.models import ApprovalTask, Attempt, AuditEvent, Gate
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
    Action.ESCALATED: "soon",
    Action.OVERDUE: "soon",
    Action.ENDED: "soon",
    Action.CANCELLED: "soon",
    Action.JOB_SUCCEEDED: "approve",
    Action.JOB_FAILED: "reject",
    Action.JOB_SILENT: "soon",
}


@dataclass(frozen=True, slots=True)
class Entry:
    at: dt.datetime
    words: str
    note: str = ""
    tone: str = ""
    other: str = ""  # the task that took this one's place, or whose place it took

    @property
    def when(self) -> SafeString:
        return times.tag(self.at, times.clock(self.at))


def timeline(
    task: ApprovalTask, engine: str, events: Sequence[AuditEvent], attempts: Sequence[Attempt]
) -> list[Entry]:
    entries = [_of_event(event, task, engine) for event in events]
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


def _of_event(event: AuditEvent, task: ApprovalTask, engine: str) -> Entry:
    who, data = event.actor_name or "Countersign", event.data
    is_job = task.gate.kind == Gate.Kind.JOB
    place = f" in place of {data['on_behalf_of']}" if data.get("on_behalf_of") else ""
    words: dict[str, str] = {
        Action.RECEIVED: f"Received from {data.get('source', 'a source')}",
        Action.APPROVED: f"{who} marked it as succeeded" if is_job else f"{who} approved{place}",
        Action.REJECTED: f"{who} marked it as failed" if is_job else f"{who} rejected{place}",
        Action.STAGE_PASSED: f"{data.get('stage')} has passed it on to {data.get('next')}",
        Action.PAYLOAD_CHANGED: f"{who} changed the payload: {_places(data)}",
        Action.CLAIMED: f"{who} is on it{_from(data)}",
        Action.RELEASED: f"{who} left it to all again",
        Action.HANDED_OVER: f"{who} took it back from {data['taken_from']}"
        if data.get("taken_from")
        else f"{who} handed it{place} to {data.get('to', '')}",
        Action.ASKED: f"{who} asked {data.get('to', '')}",
        Action.ANSWERED: f"{who} answered {data.get('to', '')}",
        Action.UNDONE: f"{who} took it back" if event.actor_name else "It waits again",
        Action.REMINDED: "Its reviewers were reminded",
        Action.ESCALATED: f"Escalated to {', '.join(data.get('groups', []))}",
        Action.OVERDUE: "Not decided in time",
        Action.SETTLED: f"Settled as {data.get('outcome', '')}",
        Action.ENDED: "The workflow ended",
        Action.EXPIRED: "Time ran out",
        Action.CANCELLED: f"{who} withdrew it",
        Action.SUPERSEDED: "The workflow asked anew, and a newer task took its place",
        Action.REPLACED: "Took the place of an older task",
        Action.CARRIED_OVER: f"The approval of {data.get('reviewer', '')} counts here too",
        Action.JOB_CLAIMED: f"{data.get('runner') or 'A runner'} took the job",
        Action.JOB_SILENT: "Nothing heard of the job; its step is no longer kept alive",
        Action.JOB_SUCCEEDED: "The job reported success",
        Action.JOB_FAILED: f"The job reported failure: {data.get('error', '')}",
        Action.KEY_ISSUED: f"{who} took a key for the job",
        Action.DELIVERED: f"{capfirst(engine)} has been told",
        Action.UNCONFIRMED: f"The answer of {engine} was lost",
        Action.DEAD: f"{capfirst(engine)} could not be told",
        Action.MAILED: f"{data.get('told', '')} was told by mail",
        Action.MAIL_REFUSED: f"The address of {data.get('told', '')} refused a mail",
        Action.REPLAYED: f"{who} sent {_what(data)} again",
        Action.SET_ASIDE: f"{who} set {_what(data)} aside",
    }
    note = data.get("comment") or data.get("detail") or data.get("reason") or ""
    note = " · ".join(filter(None, [str(note), *guard.words(data.get("pointed_out", {}))]))
    said = words.get(event.action) or event.get_action_display()
    other = str(data.get("newer") or data.get("older") or "")
    return Entry(event.at, said, str(note), _TONES.get(event.action, ""), other)


def _from(data: Mapping[str, Any]) -> str:
    return f", taken over from {data['taken_from']}" if data.get("taken_from") else ""


def _what(data: Mapping[str, Any]) -> str:
    """The answer to the engine, or a mail."""
    return f"the mail to {data['told']}" if "told" in data else "the answer"


def _of_attempt(attempt: Attempt, engine: str) -> Entry:
    if attempt.result == AttemptResult.STARTED:
        return Entry(attempt.started_at, f"Telling {engine}, attempt {attempt.number}")
    return Entry(
        attempt.started_at,
        f"Attempt {attempt.number}: {attempt.get_result_display().lower()}",
        attempt.detail,
        "" if attempt.result == AttemptResult.DELIVERED else "soon",
    )


def _places(data: Mapping[str, Any]) -> str:
    """Where a payload was changed."""
    changed = [one["path"] or "all of it" for one in data.get("changed", [])]
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return ", ".join(changed[:3]) + more
