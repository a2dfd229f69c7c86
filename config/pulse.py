"""Beat's understudy: each worker runs its own sweeps when no tick has reached it for a while.

Those of each queue have a thread of their own, so that a slow mail server holds up no callback.

Beat stops ticking when the clock is set back, and no tick arrives while Redis is gone. Steps that
wait must be kept alive all the same, so the worker counts by its own monotonic clock. Running a
sweep twice is harmless: rows are claimed.
"""

import threading
import time
from typing import Any

import structlog
from celery import bootsteps
from celery.signals import task_postrun, task_prerun
from django.db import close_old_connections

log = structlog.get_logger(__name__)

TICK = 0.5  # seconds


class Pulse(bootsteps.StartStopStep):
    """Threads of the worker, started before it connects to its broker."""

    requires = {"celery.worker.components:Pool"}

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._ran_at: dict[str, float] = {}
        self._running: set[str] = set()

    def start(self, parent: Any) -> None:
        schedules = self._schedules(parent.app)
        jobs = [name for schedule in schedules.values() for name in schedule]
        self._ran_at = dict.fromkeys(jobs, time.monotonic())
        task_prerun.connect(self._started, weak=False)
        task_postrun.connect(self._ended, weak=False)
        self._threads = [
            threading.Thread(
                target=self._run, args=(parent.app, schedule), name=f"pulse-{queue}", daemon=True
            )
            for queue, schedule in schedules.items()
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, parent: Any) -> None:
        self._stopping.set()
        until = time.monotonic() + 15
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))

    terminate = stop

    @staticmethod
    def _schedules(app: Any) -> dict[str, dict[str, float]]:
        """By queue that this worker carries, its jobs of beat's: seconds between two runs."""
        found: dict[str, dict[str, float]] = {name: {} for name in app.amqp.queues.consume_from}
        for entry in app.conf.beat_schedule.values():
            queue = app.amqp.router.route({}, entry["task"])["queue"].name
            if queue in found:
                found[queue][entry["task"]] = entry["schedule"]
        return found

    def _started(self, sender: Any, **kwargs: Any) -> None:
        self._running.add(sender.name)

    def _ended(self, sender: Any, **kwargs: Any) -> None:
        self._running.discard(sender.name)
        if sender.name in self._ran_at:
            self._ran_at[sender.name] = time.monotonic()

    def _run(self, app: Any, schedule: dict[str, float]) -> None:
        while not self._stopping.wait(TICK):
            for name, seconds in schedule.items():
                silent = time.monotonic() - self._ran_at[name] > 2 * seconds
                if silent and name not in self._running:
                    self._run_one(app, name)

    def _run_one(self, app: Any, name: str) -> None:
        try:
            close_old_connections()
            app.tasks[name].run()
        except Exception as error:  # PostgreSQL may be away for a while; the next tick tries again
            log.error("sweep failed", job=name, error=str(error))
        finally:
            self._ran_at[name] = time.monotonic()
