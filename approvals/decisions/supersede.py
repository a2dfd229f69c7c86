"""DECISION, none taken: a state that is tried again has a new token, and its older task goes.

Nobody is superseded by guess. Where it is not plain which of several is tried again (a Map runs
one state many times at once), all of them stay, and the engine refuses the next heartbeat of the
dead one.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import BinaryField, F, Func, Q
from django.db.models.functions import Now

from approvals.audit.record import Action, event, record
from approvals.decisions.carry_over import carry_over
from approvals.decisions.settle import close_places
from approvals.models import ApprovalTask, Callback, Heartbeat
from approvals.notices.occasions import Kind, happened
from approvals.states import CallbackStatus, TaskStatus

ASKED_ANEW = "The workflow asks anew: a newer task took the place of this one."


def supersede(tasks: Sequence[ApprovalTask]) -> None:
    """Let the tasks just stored take the place of the older ones that they retry, and carry
    decisions over where their gate says so.

    In the transaction that stores them, after `ended.take_turns`, so that of two tries that come
    at once the second sees the first. No query where nothing is a retry.

    1. Look at all tries of the same states, and at all with the same key; decide whose place is
       taken.
    2. Lock those in one order, whoever else decides about them at this moment.
    3. Supersede what is still pending, carry over, write it all on the record.
    """
    asking = sorted(
        (task for task in tasks if _is_retry(task) or task.dedupe_key),
        key=lambda task: task.retry_count,
    )
    if not asking:
        return
    # 1
    known = {one.id: one for one in _known(asking)}
    order = {task.pk: position for position, task in enumerate(asking)}
    places = [_place(known[task.pk], known.values(), order) for task in asking]
    # 2
    rows = _lock({pk for place in places for pk in place.all()})
    # 3
    events, gone = [], []
    for place in places:
        new = rows[place.new]
        for old in (rows[pk] for pk in place.older):
            if old.is_pending:
                old.status = TaskStatus.SUPERSEDED
                gone.append(old)
                events.append(event(Action.SUPERSEDED, task=old, newer=str(new.pk)))
                events.append(event(Action.REPLACED, task=new, older=str(old.pk)))
        if place.heir_of and new.is_pending:
            events += carry_over(rows[place.heir_of], new)
    ApprovalTask.objects.filter(pk__in=[old.pk for old in gone]).update(
        status=TaskStatus.SUPERSEDED, settled_at=Now(), settled_reason=ASKED_ANEW
    )
    Heartbeat.objects.filter(task__in=gone).delete()
    if gone:
        close_places(gone)
        happened(Kind.SETTLED, gone)
    record(*events)
    for task in asking:
        task.status = rows[task.pk].status


def _is_retry(task: ApprovalTask) -> bool:
    return bool(task.retry_count and task.execution_id and task.state)


class _Content(Func):
    """A digest of what people were asked, where, and at which gate."""

    template = "sha256(convert_to(json_build_array(%(expressions)s)::text, 'UTF8'))"
    output_field = BinaryField()


@dataclass(frozen=True, slots=True)
class _Known:
    """What the choice is made by, of a task new or old."""

    id: UUID
    status: str
    connection_id: int
    execution_id: str
    state: str
    entered_at: dt.datetime | None
    retry_count: int
    source_id: int
    dedupe_key: str
    callback_kind: str | None
    callback_status: str | None
    content: bytes

    @property
    def is_pending(self) -> bool:
        return self.status == TaskStatus.PENDING

    @property
    def is_done(self) -> bool:
        """The engine has taken a success: nothing is tried again after that."""
        return (self.callback_kind, self.callback_status) == (
            Callback.Kind.SUCCESS,
            CallbackStatus.DELIVERED,
        )

    def is_of_same_state(self, other: "_Known") -> bool:
        """By the word of one source: another's must not take the place of its tasks."""
        return bool(self.execution_id and self.state) and (
            (self.source_id, self.connection_id, self.execution_id, self.state)
            == (other.source_id, other.connection_id, other.execution_id, other.state)
        )


def _known(asking: Sequence[ApprovalTask]) -> Iterable[_Known]:
    """All tasks that may matter, the new ones included; light, since a Map may have thousands."""
    retries = [task for task in asking if _is_retry(task)]
    rows = (
        ApprovalTask.objects.filter(
            Q(pk__in=[task.pk for task in asking])
            | Q(
                ~Q(execution_id=""),
                source=asking[0].source_id,
                connection=asking[0].connection_id,
                execution_id__in={task.execution_id for task in retries},
                state__in={task.state for task in retries},
            )
            | Q(
                ~Q(dedupe_key=""),
                source=asking[0].source_id,
                dedupe_key__in={task.dedupe_key for task in asking},
                status=TaskStatus.PENDING,
            )
        )
        .annotate(
            content=_Content(
                *("gate_id", "title", "summary", "requested_by", "workflow_id", "state", "payload"),
                *("form", "choices"),
            ),
            callback_kind=F("callback__kind"),
            callback_status=F("callback__status"),
        )
        .order_by("id")
    )
    return (_Known(*row) for row in rows.values_list(*_Known.__slots__))


@dataclass(frozen=True, slots=True)
class _Place:
    new: UUID
    older: tuple[UUID, ...]  # whose place it takes, if they are still pending
    heir_of: UUID | None  # asked the same in vain

    def all(self) -> set[UUID]:
        return {self.new, *self.older, *([self.heir_of] if self.heir_of else [])}


def _place(new: _Known, known: Iterable[_Known], order: dict[UUID, int]) -> _Place:
    earlier = _earlier_tries(new, known)
    same_key = [
        one
        for one in known
        if new.dedupe_key
        and (one.source_id, one.dedupe_key) == (new.source_id, new.dedupe_key)
        and order.get(one.id, -1) < order[new.id]
        and one.is_pending
        and not (one.is_of_same_state(new) and one.retry_count > new.retry_count)
    ]
    alike = [one for one in same_key + earlier if one.content == new.content and not one.is_done]
    return _Place(
        new=new.id,
        older=tuple(one.id for one in (*same_key, *earlier) if one.is_pending),
        heir_of=alike[-1].id if alike else None,
    )


def _earlier_tries(new: _Known, known: Iterable[_Known]) -> list[_Known]:
    """The tries before this one, the latest last; none where it is not plain which they are."""
    tries = [
        one for one in known if one.is_of_same_state(new) and one.retry_count < new.retry_count
    ]
    # Tries of one run of the state were entered at one time; other runs, mostly, at another.
    tries = [one for one in tries if one.entered_at and one.entered_at == new.entered_at] or tries
    alike = [one for one in tries if one.content == new.content and not one.is_done]
    if not alike and any(one.entered_at != new.entered_at for one in tries):
        return []  # another iteration's, mostly: a first try may have failed before its message
    line = sorted(alike or tries, key=lambda one: one.retry_count)
    several_runs = len({one.retry_count for one in line}) < len(line)
    pending = sum(one.is_pending for one in line)
    if several_runs or (not alike and pending != 1):
        return []
    return line


def _lock(pks: set[UUID]) -> dict[UUID, ApprovalTask]:
    tasks = (
        ApprovalTask.objects.select_for_update(of=("self",), no_key=True)
        .select_related("gate", "connection")
        .without_secrets()
        .defer("payload", "summary", "links")
        .filter(pk__in=pks)
        .order_by("pk")
    )
    return {task.pk: task for task in tasks}
