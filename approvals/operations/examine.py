"""OPERATIONS, asked by an engineer: is this installation, this source, this connection well?

Tries what the running system does, and changes nothing: what is stored is rolled back, no engine
gets a real token, no queue loses a message. The far ends examine themselves (`Engine.examine`,
`PolledSource.examine`, `CalledSource.examine`).
"""

import json
import secrets
from collections.abc import Iterator

from django.core import checks
from django.db import DatabaseError, transaction

from approvals.engines.addresses import read_entries
from approvals.engines.base import Handle
from approvals.engines.registry import engine_for, kind_of
from approvals.errors import EngineError
from approvals.findings import Finding, Level
from approvals.intake.accept import accept
from approvals.intake.sources.base import SourceUnavailable
from approvals.intake.sources.registry import called, polled
from approvals.models import Connection, DefinitionLookup, Gate, Source
from approvals.notices.expand import mails_are_sent
from approvals.operations import health, queries
from approvals.people.roster import out_of_reach
from approvals.timers import warnings

OK, WARNING, BAD = Level.OK, Level.WARNING, Level.BAD


def examine_installation() -> Iterator[Finding]:
    """The settings, PostgreSQL, the broker, and whether the processes keep up."""
    for message in checks.run_checks(include_deployment_checks=False):
        level = BAD if message.level >= checks.ERROR else WARNING
        yield Finding(level, str(message.msg), str(message.hint or ""))
    database = health.database()
    if database != "ok":
        yield Finding(BAD, f"PostgreSQL: {database}.", "Check DATABASE_URL; run manage.py migrate.")
        return
    yield Finding(OK, "PostgreSQL answers, and its tables are up to date.")
    if health.broker_answers():
        yield Finding(OK, "The broker answers.")
    else:
        yield Finding(
            WARNING,
            "The broker does not answer: decisions reach their engine some seconds later.",
            "Check BROKER_URL.",
        )
    yield from _backlog()
    yield from _times_of_gates()
    yield from _mails()
    if not Source.objects.exists():
        yield Finding(
            WARNING,
            "There is no source yet, so no message can come.",
            "Make a gate, a connection and a source under Configuration (/admin/).",
        )


def _mails() -> Iterator[Finding]:
    if not mails_are_sent():
        yield Finding(
            WARNING,
            "No mail server is configured: nobody is told by mail.",
            "Set EMAIL_URL, or MAIL_BACKEND for a mail provider (docs/settings.md).",
        )
        return
    failing = queries.failing_mail()
    if failing:
        yield Finding(BAD, f"The last mail was not sent: {failing}", "Check EMAIL_URL, MAIL_FROM.")
    if count := queries.LISTS["mails"]().count:
        yield Finding(
            WARNING,
            f"{count} mail{'s' if count > 1 else ''} not delivered.",
            "Correct the addresses, then send them again under Operations.",
        )
    if not failing and not count:
        yield Finding(OK, "Mails are sent.")


def _times_of_gates() -> Iterator[Finding]:
    for gate in Gate.objects.select_related("calendar"):
        for warning in warnings.of(gate):
            yield Finding(WARNING, f"Gate “{gate}”: {warning}", "Change its times in the admin.")


def _backlog() -> Iterator[Finding]:
    late = {
        "callback": ("waiting", "Is the worker of the queue “callbacks” running?"),
        "mail": ("unsent_mails", "Is a worker of the queue “mails” running?"),
        "heartbeat": ("heartbeats", "Is the worker of the queue “heartbeats” running?"),
    }
    for noun, (name, mend) in late.items():
        if count := queries.LISTS[name]().count:
            yield Finding(BAD, f"{count} {noun}{'s' if count > 1 else ''} overdue.", mend)
        else:
            yield Finding(OK, f"No {noun} is overdue.")


def examine_connection(connection: Connection) -> Iterator[Finding]:
    try:
        engine = engine_for(connection.config)
    except EngineError as error:
        yield Finding(BAD, str(error), "Mend the connection in the admin.")
        return
    yield from engine.examine()
    failing = DefinitionLookup.objects.filter(connection=connection, failures__gt=5).count()
    if failing:
        yield Finding(
            WARNING,
            f"The definitions of {failing} waiting steps could not be read in many tries.",
            "The log says why (“times not read”). Until then their gate's times stand.",
        )
    if kind_of(connection.kind).handle is Handle.TOKEN and not connection.probe_seconds:
        yield Finding(
            WARNING,
            "Steps without heartbeats are never asked whether they still wait.",
            "Set “liveness check every”, so that workflows that ended leave the inbox.",
        )


def examine_source(source: Source) -> Iterator[Finding]:
    """The queue or address itself, then a message from end to end, rolled back."""
    if not source.enabled:
        yield Finding(WARNING, "It is switched off.", "Tick “enabled” in the admin.")
    if source.is_called:
        yield from called(source).examine()
    else:
        try:
            yield from polled(source).examine()
        except SourceUnavailable as error:
            yield Finding(BAD, str(error), "Mend the source in the admin.")
        if source.last_poll_at is None:
            yield Finding(WARNING, "It was never read.", "Is manage.py receive running?")
        elif source.last_error:
            yield Finding(BAD, f"Reading it failed: {source.last_error}", "See above.")
    if source.last_message_at is None:
        yield Finding(WARNING, "No message has come yet.", "Send one: docs/connect has examples.")
    yield from _dry_run(source)


def _dry_run(source: Source) -> Iterator[Finding]:
    if source.gate is None:
        yield Finding(
            WARNING,
            "It has no gate for messages that name none: those go to quarantine.",
            "Set a gate, or name one in each message.",
        )
        return
    try:
        with transaction.atomic():
            [acceptance] = accept(source, [_sample(source)])
            transaction.set_rollback(True)
    except DatabaseError as error:
        yield Finding(BAD, f"A test message can't be stored: {error}", "See PostgreSQL's log.")
        return
    if acceptance.problem:
        yield Finding(BAD, f"A test message was not understood: {acceptance.problem}", "See above.")
        return
    yield Finding(OK, f"A test message becomes a task at “{source.gate}” (not kept).")
    if problem := out_of_reach(source.gate):
        yield Finding(BAD, problem, "Add reviewers to the gate.")


def _sample(source: Source) -> str:
    """A canonical message with a token that no engine knows."""
    handle = kind_of(source.connection.kind).handle
    if handle is Handle.URL:
        entries = read_entries(source.connection.config.hosts)
        host = entries[0].example if entries else "https://example.com"
        token = {"callbackUrl": f"{host}/doctor/{secrets.token_urlsafe(8)}"}
    else:
        token = {"taskToken": f"countersign-doctor-{secrets.token_urlsafe(24)}"}
    return json.dumps(token | {"title": "Test by manage.py doctor", "requestedBy": "doctor"})
