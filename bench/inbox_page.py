"""One size of the inbox: a process with a database of its own, its pages called as gunicorn would.

Started with the number of pending tasks; answers `READY`, then one JSON line for each line read:
`{"path": …}` times that page and the reference view in turns, `{"words": …}` the list's query with
and without a search. All in the WSGI application, without HTTP; times in milliseconds.
"""

import html
import json
import logging
import re
import sys
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

REFERENCE = "/bench/"  # of `bench.inbox_urls`
GATES = 10  # the reviewer is named by half of them
BUDGET = 2.0  # seconds for one measurement; slow pages are called less often


def main(pending: int) -> None:
    import django
    from django.conf import settings

    django.setup()
    logging.getLogger().setLevel(logging.WARNING)  # what it prints is read
    settings.ROOT_URLCONF = "bench.inbox_urls"
    from django.core.handlers.wsgi import WSGIHandler

    person, session = _fill(pending)
    call = Caller(WSGIHandler(), session)
    print("READY", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "words" in asked:
            found = _query_times(person, asked["words"], asked["times"])
        else:
            keep = asked.get("keep", False)
            before = (lambda: None) if keep else _forget
            found = _page_times(call, asked["path"], asked["times"], before)
        print(json.dumps(found), flush=True)


class Caller:
    """Calls a page as the web server does."""

    def __init__(self, application: Callable[..., Any], session: str) -> None:
        self._application, self._cookie = application, f"countersign_session={session}"

    def __call__(self, path: str) -> bytes:
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "SCRIPT_NAME": "",
            "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "127.0.0.1", "HTTP_COOKIE": self._cookie, "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http", "wsgi.input": BytesIO(), "wsgi.errors": sys.stderr,
        }  # fmt: skip
        answer = self._application(environ, _check_status)
        try:
            return b"".join(answer)
        finally:
            answer.close()


def _check_status(status: str, headers: list[tuple[str, str]]) -> None:
    assert status == "200 OK", status


def _forget() -> None:
    """What a process remembers of earlier pages: a person's first page finds none of it, and asking
    for the same rows over and over would flatter the figure."""
    from approvals.inbox import context, rows

    context._may.cache_clear()
    rows._moment.cache_clear()


def _page_times(
    call: Caller, path: str, times: int, before: Callable[[], object]
) -> dict[str, Any]:
    page = call(path)
    pairs = _in_turns(lambda: call(path), lambda: call(REFERENCE), times, before)
    rows = page.count(b'class="row-link"')
    return {"pairs": pairs, "rows": rows, "bytes": len(page), "next": _next_page(page)}


def _query_times(person: Any, words: str, times: int) -> dict[str, Any]:
    from approvals.inbox.address import Address
    from approvals.inbox.queries import page

    search, plain = Address(q=words), Address()
    rows = len(page(person, search))
    return {
        "pairs": _in_turns(lambda: page(person, search), lambda: page(person, plain), times),
        "rows": rows,
    }


def _in_turns(
    measured: Callable[[], object],
    reference: Callable[[], object],
    times: int,
    before: Callable[[], object] = lambda: None,
) -> list[tuple[float, float]]:
    pairs: list[tuple[float, float]] = []
    until = time.monotonic() + BUDGET
    measured(), reference()
    while len(pairs) < times and (len(pairs) < 3 or time.monotonic() < until):
        before()
        pairs.append((_milliseconds(measured), _milliseconds(reference)))
    return pairs


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1e6


def _next_page(page: bytes) -> str:
    """The address behind the last row; blank on the last page."""
    found = re.search(r'rel="next" href="([^"]*)"', page.decode())
    return html.unescape(found[1]) if found else ""


def _fill(pending: int) -> tuple[Any, str]:
    from django.contrib.auth.models import Group

    from approvals.people.eligibility import Person
    from bench import people, rows

    reviewer = people.make_reviewer("rita")
    team = Group.objects.create(name="Payments")
    reviewer.groups.add(team)
    source = rows.make_source("queue")
    with rows.indexes_after():
        for number in range(GATES):
            gate = rows.make_gate(f"gate-{number}", *([reviewer] if number in (0, 1, 2) else []))
            gate.groups.set([team] if number in (3, 4) else [])
            share = max(1, pending // GATES)
            rows.make_tasks(gate, source, share)
            rows.make_tasks(gate, source, max(1, share // 5), status="approved")
    rows.analyze()
    return Person(reviewer), people.sign_in(reviewer)


if __name__ == "__main__":
    main(int(sys.argv[1]))
