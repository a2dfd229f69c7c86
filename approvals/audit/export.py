"""RECORD, taken along: lines of the ledger as CSV. Touches nothing."""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

HEADER = (
    "id",
    "at",
    "person",
    "username",
    "action",
    "task",
    "title",
    "gate",
    "workflow",
    "execution",
    "data",
)
# Spreadsheets run a cell that begins with one of these; an apostrophe makes it text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# Without it Excel reads UTF-8 as something else.
_BYTE_ORDER_MARK = "\ufeff"


class _Echo:
    """A file that hands back what the CSV writer writes."""

    def write(self, text: str) -> str:
        return text


def lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A header, then a line a row of `audit.ledger`; times in UTC, `data` as JSON."""
    writer = csv.writer(_Echo())
    yield _BYTE_ORDER_MARK + writer.writerow(HEADER)
    for row in rows:
        yield writer.writerow(map(_safe, _cells(row)))


def _cells(row: dict[str, Any]) -> Iterator[object]:
    yield row["id"]
    yield row["at"].isoformat()
    yield row["actor_name"] or "Countersign"
    yield row["actor__username"]
    yield row["action"]
    yield row["task_id"]
    yield row["task__title"]
    yield row["task__gate__name"]
    yield row["task__workflow"]
    yield row["task__execution_name"]
    yield json.dumps(row["data"], ensure_ascii=False)


def _safe(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text
