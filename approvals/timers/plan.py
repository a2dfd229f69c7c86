"""WHEN, planned: the timers of a task, written in the transaction that brings it to a stage.

What the gate says at that moment holds for the task; changing the gate later moves no timer.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import structlog
from django.core.exceptions import ValidationError
from django.db.models.functions import Now

from approvals.models import ApprovalTask, Calendar, Gate, Timer
from approvals.timers import business

log = structlog.get_logger(__name__)

Kind = Timer.Kind
_OF_A_STAGE = (Kind.REMIND, Kind.ESCALATE)
_OF_THE_TASK = (Kind.RUNNING_OUT, Kind.OVERDUE)

# Before the engine's own deadline, so that it hears our answer in time: a share of the whole span,
# a moment at least, but never more than half of a very short one.
_SHARE, _MOMENT = 0.02, dt.timedelta(seconds=10)


def plan(tasks: Sequence[ApprovalTask]) -> None:
    """Plan for tasks just stored, `received_at` known. A constant number of queries; none where
    there is nothing to plan."""
    tasks = [task for task in tasks if _has_times(task)]
    if not tasks:
        return
    named = {task.gate.calendar_id for task in tasks} - {None}
    calendars = Calendar.objects.in_bulk(named) if named else {}
    escalating = _escalating({task.gate for task in tasks})
    timers: list[Timer] = []
    for task in tasks:
        since, calendar = task.received_at, calendars.get(task.gate.calendar_id or 0)
        timers += _of_stage(task, since, calendar, escalating)
        timers += _of_task(task, since, calendar, now=since)
    Timer.objects.bulk_create(timers)
    if due := [task for task in tasks if task.decide_by]:
        ApprovalTask.objects.bulk_update(due, ["decide_by"])


def plan_stage(task: ApprovalTask) -> None:
    """A task comes to its next stage: reminding and escalating begin anew. By when it has to be
    decided, that stays."""
    Timer.objects.filter(task=task, kind__in=_OF_A_STAGE).delete()
    if _has_times(task):
        escalating = _escalating({task.gate})
        Timer.objects.bulk_create(
            _of_stage(task, _now(task.pk), task.gate.calendar, escalating), ignore_conflicts=True
        )


def plan_deadline(task: ApprovalTask) -> None:
    """The engine's deadline has become known, or another. The caller holds the task."""
    Timer.objects.filter(task=task, kind__in=_OF_THE_TASK).delete()
    if _has_times(task):
        now, calendar = _now(task.pk), task.gate.calendar
        task.decide_by = None
        Timer.objects.bulk_create(_of_task(task, task.received_at, calendar, now=now))
        ApprovalTask.objects.filter(pk=task.pk).update(decide_by=task.decide_by)


def next_reminder(task: ApprovalTask, now: dt.datetime) -> dt.datetime | None:
    every = task.gate.remind_every_minutes
    return _add(task.gate.calendar, now, every) if every else None


def shortly_before(deadline: dt.datetime, received_at: dt.datetime) -> dt.datetime:
    """When a gate acts at the latest, so that the engine hears of it before its own deadline."""
    span = deadline - received_at
    return deadline - min(max(span * _SHARE, _MOMENT), max(span, dt.timedelta()) / 2)


def is_clipped(task: ApprovalTask) -> bool:
    """Whether the engine's deadline comes before what the gate says."""
    return bool(
        task.deadline
        and task.decide_by
        and task.gate.decide_within_minutes
        and task.decide_by == shortly_before(task.deadline, task.received_at)
    )


def _has_times(task: ApprovalTask) -> bool:
    gate = task.gate
    return gate.kind == Gate.Kind.PEOPLE and bool(
        gate.remind_after_minutes
        or gate.escalate_after_minutes
        or gate.decide_within_minutes
        or (task.deadline and (gate.warn_before_minutes or acts(gate)))
    )


def acts(gate: Gate) -> bool:
    """Whether the gate does something about what nobody has decided."""
    return gate.at_deadline != Gate.AtDeadline.NOTHING


def _escalating(gates: Iterable[Gate]) -> set[int]:
    """Those of the gates that have somebody to escalate to."""
    wanted = [gate.pk for gate in gates if gate.escalate_after_minutes]
    if not wanted:
        return set()
    rows = Gate.escalate_to.through.objects.filter(gate__in=wanted)
    return set(rows.values_list("gate_id", flat=True))


def _of_stage(
    task: ApprovalTask, since: dt.datetime, calendar: Calendar | None, escalating: set[int]
) -> list[Timer]:
    gate = task.gate
    wanted: Mapping[str, int | None] = {
        Kind.REMIND: gate.remind_after_minutes if gate.mails else None,
        Kind.ESCALATE: gate.escalate_after_minutes if gate.pk in escalating else None,
    }
    return [
        Timer(task=task, kind=kind, at=_add(calendar, since, minutes))
        for kind, minutes in wanted.items()
        if minutes
    ]


def _of_task(
    task: ApprovalTask, since: dt.datetime, calendar: Calendar | None, *, now: dt.datetime
) -> list[Timer]:
    """Sets `decide_by` as well."""
    gate, timers = task.gate, []
    latest = shortly_before(task.deadline, since) if task.deadline else None
    if gate.decide_within_minutes:
        task.decide_by = _add(calendar, since, gate.decide_within_minutes)
        if latest:
            task.decide_by = min(task.decide_by, latest)
    elif acts(gate):
        task.decide_by = latest
    if task.decide_by:
        timers.append(Timer(task=task, kind=Kind.OVERDUE, at=task.decide_by))
    ends = task.decide_by or task.deadline
    if ends and gate.mails and gate.warn_before_minutes:
        at = ends - dt.timedelta(minutes=gate.warn_before_minutes)
        if at > now:
            timers.append(Timer(task=task, kind=Kind.RUNNING_OUT, at=at))
    return timers


def _add(calendar: Calendar | None, start: dt.datetime, minutes: int) -> dt.datetime:
    """A calendar that has become unreadable must hold up no message."""
    try:
        return business.add(calendar, start, minutes)
    except ValidationError as error:
        log.error("calendar unreadable", calendar=str(calendar), error=str(error))
        return business.add(None, start, minutes)


def _now(task_id: UUID) -> dt.datetime:
    return ApprovalTask.objects.filter(pk=task_id).values_list(Now(), flat=True).get()
