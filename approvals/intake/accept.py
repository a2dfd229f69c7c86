"""MESSAGE IN, last step: bodies become tasks or quarantine rows. The sole creator of tasks.

Idempotent: a body may come any number of times, in one batch or in two processes at once, and
becomes one row. The caller deletes from its queue, or answers 2xx, after this has returned.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.core.exceptions import ValidationError
from django.db import DataError, transaction
from django.db.models import Q
from django.utils import timezone
from uuid_utils.compat import uuid7

from approvals.asked.choices import check_choices, written_out
from approvals.asked.form import check_schema
from approvals.audit.record import Action, event, record
from approvals.callbacks import definitions
from approvals.callbacks.times import EXPIRY_GRACE, seconds_between_heartbeats
from approvals.decisions import ended
from approvals.decisions.supersede import supersede
from approvals.engines.registry import kind_of
from approvals.errors import MessageNotUnderstood
from approvals.intake.hold import hold
from approvals.intake.message import ExecutionNews, IncomingMessage
from approvals.intake.reviewers import Narrower, Narrowing, find_teams, names_of_people
from approvals.intake.shapes import read
from approvals.models import (
    ApprovalTask,
    DefinitionLookup,
    Gate,
    Heartbeat,
    Place,
    Source,
)
from approvals.notices.occasions import Kind, happened
from approvals.outside_jobs.plan import plan as plan_jobs
from approvals.people.eligibility import find_people
from approvals.timers.plan import plan as plan_timers
from approvals.tokens import digest, encrypt

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of one body: the task it is (new or known before), or why there is none.

    Neither for an engine's news of its executions, which ask nobody for anything.
    """

    task_id: UUID | None
    is_new: bool = False
    problem: MessageNotUnderstood | None = None


def accept(
    source: Source, bodies: Sequence[str | bytes], sent_at: Sequence[dt.datetime | None] = ()
) -> list[Acceptance]:
    """Store a batch in one transaction, news before it in another; the answer has one entry a body,
    in the same order.

    `sent_at`: when the queue was handed each of them, where it tells.
    """
    sent_at = sent_at or [None] * len(bodies)
    try:
        return _accept(source, bodies, sent_at)
    except DataError:
        # One body that PostgreSQL refuses must not hold up the other nine for ever.
        if len(bodies) > 1:
            pairs = zip(bodies, sent_at, strict=True)
            return [accept(source, [body], [at])[0] for body, at in pairs]
        problem = MessageNotUnderstood("not_storable", "The database refuses this message.")
        with transaction.atomic():
            hold(source, [(bodies[0], problem)])
        return [Acceptance(task_id=None, problem=problem)]


def rehearse(source: Source, body: str | bytes) -> ApprovalTask | ExecutionNews:
    """What `accept` would make of a body, by the same rules; stores nothing, `source` may be
    unsaved. Raises `MessageNotUnderstood`."""
    message = _read(source, body)
    if isinstance(message, MessageNotUnderstood):
        raise message
    if isinstance(message, ExecutionNews):
        return message
    gates = list(Gate.objects.filter(Q(slug=message.gate) | Q(pk=source.gate_id)))
    narrower = _narrower([message])
    return _task(message, source, _gate_of(message, source, gates), narrower)[0]


def _accept(
    source: Source, bodies: Sequence[str | bytes], sent_at: Sequence[dt.datetime | None]
) -> list[Acceptance]:
    read_bodies = [_read(source, *pair) for pair in zip(bodies, sent_at, strict=True)]
    messages = [message for message in read_bodies if isinstance(message, IncomingMessage)]
    # Read each time, the source's own too: a policy that was changed applies at once.
    gates = list(Gate.objects.filter(Q(slug__in={m.gate for m in messages}) | Q(pk=source.gate_id)))
    narrower = _narrower(messages)

    tasks: dict[int, ApprovalTask] = {}
    narrowings: dict[UUID, Narrowing] = {}
    problems: dict[int, MessageNotUnderstood] = {}
    news = [item for item in read_bodies if isinstance(item, ExecutionNews)]
    for position, message in enumerate(read_bodies):
        try:
            if isinstance(message, MessageNotUnderstood):
                raise message
            if isinstance(message, ExecutionNews):
                continue
            gate = _gate_of(message, source, gates)
            tasks[position], narrowing = _task(message, source, gate, narrower)
            if narrowing:
                narrowings[tasks[position].pk] = narrowing
        except MessageNotUnderstood as error:
            problems[position] = error

    if news:
        # By itself: who held the tasks of what has ended, and then wanted those that a retry takes
        # the place of, could wait crosswise with another batch. Heard twice, it changes nothing.
        with transaction.atomic():
            ended.take_turns(source.connection, news, [])
            ended.hear(source.connection, news)
    with transaction.atomic():
        ended.take_turns(source.connection, [], list(tasks.values()))
        ids = _store(list(tasks.values()))
        known = {position: ids[bytes(task.token_digest)] for position, task in tasks.items()}
        new = {at: task for at, task in tasks.items() if known[at] == task.pk}
        Place.objects.bulk_create(
            place
            for task in new.values()
            if task.pk in narrowings
            for place in narrowings[task.pk].places(task)
        )
        ended.retire_late(list(new.values()))
        waiting = {at: task for at, task in new.items() if task.is_pending}
        plan_timers(list(waiting.values()))
        supersede(list(waiting.values()))
        plan_jobs(list(waiting.values()))
        happened(
            Kind.ARRIVED,
            [task for task in waiting.values() if task.is_pending and not task.settles_at],
        )
        definitions.plan(
            [wanted for at, task in waiting.items() if (wanted := _wanted(task, read_bodies[at]))]
        )
        hold(source, [(bodies[at], problem) for at, problem in problems.items()])

    for problem in problems.values():
        log.warning("message quarantined", source=source.name, code=problem.code)
    return [
        Acceptance(task_id=known[at], is_new=at in new)
        if at in known
        else Acceptance(task_id=None, problem=problems.get(at))
        for at in range(len(bodies))
    ]


def _read(
    source: Source, body: str | bytes, sent_at: dt.datetime | None = None
) -> IncomingMessage | ExecutionNews | MessageNotUnderstood:
    engine = kind_of(source.connection.kind)
    try:
        message = read(body, engine.handle, source.mapping, sent_at)
        if isinstance(message, IncomingMessage) and (
            problem := engine.problem_with(source.connection.config, message.token)
        ):
            raise MessageNotUnderstood("bad_token", problem)
        if isinstance(message, ExecutionNews) and not source.tells_of_executions:
            raise MessageNotUnderstood(
                "news_not_taken",
                "This source is not believed about executions. If nobody but EventBridge can send "
                "this, tick “tells which executions ended” at the source, then replay.",
            )
    except MessageNotUnderstood as problem:
        return problem
    return message


def _gate_of(message: IncomingMessage, source: Source, gates: list[Gate]) -> Gate:
    gate = next(
        (
            gate
            for gate in gates
            if (gate.slug == message.gate if message.gate else gate.pk == source.gate_id)
        ),
        None,
    )
    if message.gate and gate is None:
        raise MessageNotUnderstood(
            "unknown_gate", f"There is no gate “{message.gate}”. Create it, then replay."
        )
    if gate is None:
        raise MessageNotUnderstood(
            "no_gate", "The message names no gate and its source has none for such messages."
        )
    if gate.exclude_requester and not message.requested_by:
        raise MessageNotUnderstood(
            "no_requester",
            f"At “{gate.name}” the requester may not decide, and the message does not say who "
            "requested (requestedBy).",
        )
    return gate


def _narrower(messages: Sequence[IncomingMessage]) -> Narrower:
    """Whom the messages of a batch name, looked up at once."""
    return Narrower(find_people(names_of_people(messages)), find_teams(messages))


def _check_asked(message: IncomingMessage) -> None:
    """Raises `MessageNotUnderstood` where no form and no choices can be made of what it brings."""
    name = "form"
    try:
        check_schema(message.form or {})
        name = "choices"
        check_choices(written_out(list(message.choices)))
    except ValidationError as error:
        raise MessageNotUnderstood("bad_field", f"The field {name}: {error.message}") from None


def _task(
    message: IncomingMessage, source: Source, gate: Gate, narrower: Narrower
) -> tuple[ApprovalTask, Narrowing | None]:
    context = message.context
    deadline = message.deadline
    timeout = message.timeout_seconds or gate.timeout_seconds
    if deadline is None and timeout:
        # A state that is tried again was entered before; its clock starts anew with each try.
        since = None if context.retry_count else context.entered_at
        deadline = (since or timezone.now()) + dt.timedelta(seconds=timeout)
    token = message.token.reveal()
    _check_asked(message)
    narrowing = narrower.narrow(message, gate)
    task = ApprovalTask(
        id=uuid7(),
        gate=gate,
        required=narrowing.required if narrowing else narrower.required(message, gate),
        is_narrowed=narrowing is not None,
        has_places=narrowing is not None,
        form=message.form,
        choices=written_out(list(message.choices)),
        source=source,
        connection_id=source.connection_id,
        token_ciphertext=encrypt(token),
        token_digest=digest(token),
        title=message.title or gate.name,
        summary=message.summary,
        payload=None if message.input == {} else message.input,
        links=[{"title": link.title, "url": link.url} for link in message.links],
        requested_by=message.requested_by,
        requester_id=narrower.people.get(message.requested_by.casefold()),
        workflow=context.workflow[:200],
        workflow_id=context.workflow_id[:500],
        execution_name=context.execution_name[:200],
        execution_id=context.execution_id[:500],
        state=context.state[:200],
        entered_at=context.entered_at,
        retry_count=context.retry_count,
        dedupe_key=message.dedupe_key[:200],
        heartbeat_seconds=message.heartbeat_seconds or gate.heartbeat_seconds,
        deadline=deadline,
        expiry_due_at=deadline + EXPIRY_GRACE if deadline else None,
    )
    return task, narrowing


def _wanted(task: ApprovalTask, message: object) -> DefinitionLookup | None:
    """What is to be read from the state's definition, since the message does not say it."""
    assert isinstance(message, IncomingMessage)
    connection = task.source.connection
    if not (
        connection.reads_definitions
        and kind_of(connection.kind).has_definitions
        and task.execution_id
        and task.state
    ):
        return None
    lookup = DefinitionLookup(
        task=task,
        connection=connection,
        wants_heartbeat=message.heartbeat_seconds is None,
        wants_timeout=message.timeout_seconds is None and message.deadline is None,
    )
    return lookup if lookup.wants_heartbeat or lookup.wants_timeout else None


def _store(tasks: list[ApprovalTask]) -> dict[bytes, UUID]:
    """Insert what is new; ids by token digest for all of `tasks`, known ones included."""
    if not tasks:
        return {}
    # In one order, so that two batches that hold the same messages never wait crosswise.
    in_order = sorted(tasks, key=lambda task: bytes(task.token_digest))
    ApprovalTask.objects.bulk_create(in_order, ignore_conflicts=True)
    stored: dict[bytes, UUID] = {}
    received: dict[UUID, dt.datetime] = {}
    rows = ApprovalTask.objects.filter(token_digest__in=[task.token_digest for task in tasks])
    for token_digest, pk, at in rows.values_list("token_digest", "pk", "received_at"):
        stored[bytes(token_digest)], received[pk] = pk, at
    new = [task for task in tasks if stored[bytes(task.token_digest)] == task.pk]
    for task in new:
        task.received_at = received[task.pk]  # by the database's clock
    Heartbeat.objects.bulk_create(
        Heartbeat(task=task, connection_id=task.connection_id, every=every)
        for task in new
        if (
            every := seconds_between_heartbeats(
                task.source.connection, task.execution_id, task.heartbeat_seconds
            )
        )
    )
    record(
        *(
            event(Action.RECEIVED, task=task, source=task.source.name, gate=task.gate.name)
            for task in new
        )
    )
    return stored
