"""What transactional tests leave in the database is taken away behind them.

Django truncates every table and makes permissions, content types and groups anew: 60 ms a test.
Deleting from tables that are as good as empty and putting back what stood there takes 3.
"""

from collections.abc import Callable

from django.db import connection
from django.db.transaction import atomic
from django.test import TransactionTestCase

# Beyond it deleted rows begin to cost, and plans would be made for what is gone.
SMALL = 512 * 1024


def emptier() -> Callable[[TransactionTestCase], None]:
    """Called with a database as migrations have left it; what it returns makes it so again."""
    names = [
        connection.ops.quote_name(name)
        for name in connection.introspection.django_table_names(only_existing=True)
    ]
    with connection.cursor() as cursor:
        filled = [name for name in names if _has_rows(name)]
        cursor.execute("CREATE SCHEMA kept")
        for name in filled:
            cursor.execute(f"CREATE TABLE kept.{name} AS TABLE {name}")

    def empty(case: TransactionTestCase) -> None:
        with atomic(), connection.cursor() as cursor:
            # The record refuses to be emptied; and rows go in any order.
            cursor.execute("SET LOCAL session_replication_role = replica")
            # Whoever still writes is waited for, as TRUNCATE would.
            cursor.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
            cursor.execute("SELECT max(pg_relation_size(t)) FROM unnest(%s::regclass[]) t", [names])
            if cursor.fetchone()[0] <= SMALL:
                cursor.execute("; ".join(f"DELETE FROM {name}" for name in names))
            else:
                cursor.execute(f"TRUNCATE {', '.join(names)}")
            cursor.execute("; ".join(f"INSERT INTO {name} TABLE kept.{name}" for name in filled))

    return empty


def _has_rows(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM {name})")
        return bool(cursor.fetchone()[0])
