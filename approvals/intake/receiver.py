"""MESSAGE IN, the process: one thread a source, each receive, store, commit, then forget."""

import threading
import time

import structlog
from django.db import DatabaseError, close_old_connections, connections
from django.db.models.functions import Now

from approvals.intake.accept import accept
from approvals.intake.sources.base import PolledSource, SourceUnavailable
from approvals.intake.sources.registry import POLLED, polled
from approvals.models import Source

log = structlog.get_logger(__name__)

# How often new, changed and disabled sources are noticed, in seconds.
RELOAD_SECONDS = 10
LONGEST_PAUSE = 30.0


class Receiver:
    """Reads one source until told to stop. A batch in hand is always finished."""

    def __init__(self, source: Source, stopping: threading.Event) -> None:
        self.source = source
        self.stopped = threading.Event()  # this source alone: disabled or changed
        self._stopping = stopping
        self.busy = threading.Lock()  # held while a batch is in hand
        self.thread = threading.Thread(
            target=self._run, name=f"receiver-{source.name}", daemon=True
        )

    def _run(self) -> None:
        queue: PolledSource | None = None
        pause = 1.0
        while not (self._stopping.is_set() or self.stopped.is_set()):
            try:
                queue = queue or polled(self.source)
                self._one_batch(queue)
                pause = 1.0
            except Exception as error:  # the loop outlives whatever one batch met
                self._report(error)
                self._stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        connections.close_all()

    def _one_batch(self, queue: PolledSource) -> None:
        items = queue.receive()
        with self.busy:
            close_old_connections()
            if items:
                accept(self.source, [item.body for item in items], [item.sent_at for item in items])
                queue.forget(items)
            polled = {"last_poll_at": Now(), "last_error": ""}
            if items:
                polled["last_message_at"] = Now()
            Source.objects.filter(pk=self.source.pk).update(**polled)

    def _report(self, error: Exception) -> None:
        expected = isinstance(error, SourceUnavailable | DatabaseError)
        log.error(
            "source unavailable", source=self.source.name, error=str(error), exc_info=not expected
        )
        try:
            Source.objects.filter(pk=self.source.pk).update(last_error=str(error)[:500])
        except DatabaseError:
            close_old_connections()


def run(stopping: threading.Event) -> None:
    """Read every enabled source until `stopping` is set; returns when no batch is in hand.

    An idle long poll is not waited for: what SQS hands to it after that comes again.
    """
    receivers: dict[int, Receiver] = {}
    while not stopping.is_set():
        try:
            _reload(receivers, stopping)
        except DatabaseError as error:
            log.error("sources can't be read", error=str(error))
            close_old_connections()
        stopping.wait(RELOAD_SECONDS)
    deadline = time.monotonic() + 20
    for receiver in receivers.values():
        receiver.busy.acquire(timeout=max(0.0, deadline - time.monotonic()))


def _reload(receivers: dict[int, Receiver], stopping: threading.Event) -> None:
    """Start what is new, stop what is gone, restart what has changed or died."""
    close_old_connections()
    enabled = {
        source.pk: source
        for source in Source.objects.filter(enabled=True, kind__in=POLLED).select_related(
            "connection"
        )
    }
    for pk, receiver in list(receivers.items()):
        if (
            pk not in enabled
            or _settings(enabled[pk]) != _settings(receiver.source)
            or not receiver.thread.is_alive()
        ):
            receiver.stopped.set()
            del receivers[pk]
    for pk, source in enabled.items():
        if pk not in receivers:
            log.info("reading", source=source.name)
            receivers[pk] = Receiver(source, stopping)
            receivers[pk].thread.start()


def _settings(source: Source) -> tuple[object, ...]:
    return (
        source.name,
        source.kind,
        source.queue_url,
        source.region,
        source.endpoint_url,
        source.mapping,
        source.tells_of_executions,
        source.gate_id,
        source.connection.config,
        source.connection.probe_seconds,
        source.connection.reads_definitions,
    )
