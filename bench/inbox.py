"""the inbox page at 1,000, 100,000 and a million pending, beside a view that only loads the user

Each size has a database of its own and a process that calls the WSGI application as gunicorn does,
with gunicorn's pool of connections, signed in as a reviewer of half of ten gates. The page shows 50
rows. The reference is a view behind the same middleware that loads session and user, called in
turns with the page; the sizes take turns too. What the process remembers of earlier pages is
forgotten before each call, except where the line says so. The search lines compare the list's query
with and without a search. A fifth as many tasks as are pending are settled.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import quote

import psycopg

from bench.report import Line, median, median_ratio, table
from bench.setting import Setting, setting
from demo.paths import ROOT
from demo.processes import ServiceFailed

SIZES = (1_000, 100_000, 1_000_000)
SEARCHES = {
    "a rare word": "zanzibar",  # in one task a gate
    "an uncommon one": "person123@example.com",  # in one of 500
    "a common one": "refund",  # in one of 4
    "a missing one": "quagga",
}
Pairs = list[tuple[float, float]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", type=int, nargs="+", default=SIZES, help="pending tasks (1000 100000 1000000)"
    )
    parser.add_argument("--times", type=int, default=200, help="calls of each page (200)")


class Size:
    """A process of `bench.inbox_page`."""

    def __init__(self, rows: int, child: subprocess.Popen[str]) -> None:
        self.rows, self._child = rows, child

    def wait_until_ready(self) -> None:
        self._read()

    def ask(self, times: int, **what: str | bool) -> dict[str, Any]:
        assert self._child.stdin
        print(json.dumps({**what, "times": times}), file=self._child.stdin, flush=True)
        return json.loads(self._read())

    def _read(self) -> str:
        assert self._child.stdout
        line = self._child.stdout.readline()
        if not line:
            raise ServiceFailed(f"The process with {self.rows:,} rows ended; its lines say why.")
        return line


def run(options: argparse.Namespace) -> None:
    with setting() as place, ExitStack() as stack:
        sizes = [stack.enter_context(_size(place, rows)) for rows in sorted(options.rows)]
        lines = _pages(sizes, options.times)
        lines += _others(sizes[-1], options.times)
    title = f"Inbox: a page of 50 rows, {options.times} calls of each in turns"
    notes = ["Medians; a ratio is that of pairs. Loads no page over HTTP."]
    print(table(title, lines, notes))


@contextmanager
def _size(place: Setting, rows: int) -> Iterator[Size]:
    """A copy of the migrated database, filled."""
    name = f"pending_{rows}"
    sockets = str(place.database.socket_dir)
    with psycopg.connect(host=sockets, user="postgres", dbname="postgres", autocommit=True) as own:
        own.execute(f'CREATE DATABASE "{name}" TEMPLATE countersign'.encode())
    url = f"postgres://postgres@/{name}?host={quote(sockets)}"
    with subprocess.Popen(
        [sys.executable, "-m", "bench.inbox_page", str(rows)],
        cwd=ROOT,
        env={**place.environment, "DATABASE_URL": url, "DATABASE_POOL": "8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            size = Size(rows, child)
            size.wait_until_ready()
            yield size
        finally:
            child.kill()


def _pages(sizes: list[Size], times: int) -> list[Line]:
    """The first page at each size, in rounds of ten calls."""
    pairs: defaultdict[int, Pairs] = defaultdict(list)
    for size in sizes:
        size.ask(10, path="/")
    for _ in range(max(1, times // 10)):
        for size in sizes:
            pairs[size.rows] += size.ask(10, path="/")["pairs"]
    lines = [
        _line(f"{size.rows:,} pending, beside the bare view", pairs[size.rows], 3.0)
        for size in sizes
    ]
    least, *larger = sizes
    base = median(page for page, _ in pairs[least.rows])
    return lines + [
        Line(
            f"{size.rows:,} pending, beside {least.rows:,}",
            median(page for page, _ in pairs[size.rows]), " ms", base, at_most=1.15,
        )
        for size in larger
    ]  # fmt: skip


def _others(size: Size, times: int) -> list[Line]:
    """Other pages and searches at the largest size."""
    following = size.ask(1, path="/")["next"]
    paths = {"page 2": following or "/", "tab Team": "/?tab=team", "tab Done": "/?tab=done"}
    paths |= {f"searching {what}": f"/?q={word}" for what, word in SEARCHES.items()}
    lines = [
        _line(f"{size.rows:,}: {what}", size.ask(times, path=path)["pairs"])
        for what, path in paths.items()
    ]
    again = size.ask(times, path="/", keep=True)["pairs"]
    lines.append(_line(f"{size.rows:,}: the same page again, remembered", again))
    for what, word in SEARCHES.items():
        found = size.ask(times, words=word)
        figure = f"{size.rows:,}: query for {what}, {found['rows']} rows"
        lines.append(_line(figure, found["pairs"], 20.0))
    return lines


def _line(figure: str, pairs: Pairs, at_most: float | None = None) -> Line:
    measured, reference = (median(values) for values in zip(*pairs, strict=True))
    return Line(figure, measured, " ms", reference, ratio=median_ratio(pairs), at_most=at_most)
