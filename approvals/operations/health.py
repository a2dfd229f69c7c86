"""OPERATIONS for machines: is this process alive, and may it get traffic. Public, says little."""

import time
from functools import lru_cache

from celery import current_app
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

# Whoever asks often gets the same word about the broker for this long.
BROKER_SECONDS = 5

_migrated = False


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """This process answers; nothing else is asked."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """PostgreSQL answers and is migrated. A lost broker only delays things, so it is reported."""
    found = database()
    broker = "ok" if _broker(int(time.monotonic() // BROKER_SECONDS)) else "degraded"
    return JsonResponse(
        {
            "status": "ready" if found == "ok" else "not ready",
            "database": found,
            "broker": broker,
        },
        status=200 if found == "ok" else 503,
    )


def database() -> str:
    """`ok`, `unavailable` or `not migrated`."""
    global _migrated  # noqa: PLW0603 - once migrated, always: this code does not change any more
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _migrated:
            executor = MigrationExecutor(connection)
            _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (DatabaseError, InterfaceError):
        return "unavailable"
    return "ok" if _migrated else "not migrated"


@lru_cache(maxsize=1)
def _broker(moment: int) -> bool:
    """`moment` only says until when the answer may be kept."""
    return broker_answers()


def broker_answers() -> bool:
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=1)
    except Exception:  # each transport has its own
        return False
    return True
