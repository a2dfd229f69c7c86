"""The reference for clicks: the same pages and the same decision, but boto3 inside the request.

A WSGI application like `config.wsgi`. Once the decision is committed, the engine is called before
the answer goes out; there is no lease, no attempt row, no job, and nothing is written afterwards.
"""

import datetime as dt
from typing import TYPE_CHECKING

from django.db import transaction

from config.wsgi import application

if TYPE_CHECKING:
    from approvals.models import Callback

__all__ = ["application"]

# Due so late that no worker takes it.
NEVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


def call_at_once(callback: "Callback") -> None:
    """In the place of `outbox.add`."""
    from approvals.engines.registry import engine_for

    callback.due_at = NEVER
    callback.save(force_insert=True)
    task = callback.task

    def call() -> None:
        engine_for(task.connection.config).succeed(task.token, callback.output)

    transaction.on_commit(call)


def _install() -> None:
    from approvals.callbacks import outbox  # models load once Django has been set up

    outbox.add = call_at_once


_install()
