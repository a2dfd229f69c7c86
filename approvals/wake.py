"""Telling a worker that there is something to do. Never needed: its sweeps find all by themselves,
and never fails, so that what was committed stands whatever the broker met."""

import time

import structlog
from celery import current_app
from django.db import transaction

log = structlog.get_logger(__name__)

# A broker that hangs takes seconds to fail: whoever takes messages in pays that once in a while.
QUIET = 30.0  # seconds
_quiet_until = float("-inf")


class _Wake:
    """What `on_commit` holds; two for the same are one."""

    def __init__(self, job: str, *arguments: str) -> None:
        self.what = (job, arguments)

    def __call__(self) -> None:
        now(*self.what)


def after_commit(job: str, *arguments: str) -> None:
    """Send a job of approvals/jobs.py, by its name, when the transaction commits; once for it."""
    waiting = transaction.get_connection().run_on_commit
    wake = _Wake(job, *arguments)
    if not any(isinstance(one, _Wake) and one.what == wake.what for _, one, *_ in waiting):
        transaction.on_commit(wake)


def now(job: str, arguments: tuple[str, ...] = ()) -> None:
    global _quiet_until  # noqa: PLW0603 - one broker for the process
    if time.monotonic() < _quiet_until:
        return
    try:
        current_app.send_task(job, list(arguments))
    except Exception as error:
        _quiet_until = time.monotonic() + QUIET
        log.warning("broker unavailable, the sweep will do it", job=job, error=str(error))
