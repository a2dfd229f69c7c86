"""Whatever loads the addresses in a mail changes nothing: no row of any table."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from django.test import Client

from approvals.models import Decision
from tests.intake.test_webhook_server import request, serve
from tests.notices.opened_links import DEATHS, World
from tests.processes.conftest import start  # noqa: F401 - a fixture
from tests.security.leaks import database, leaks

HEADERS: dict[str, dict[str, str]] = {
    "a browser": {"User-Agent": "Mozilla/5.0", "Accept": "text/html"},
    "a prefetch": {"Purpose": "prefetch", "Sec-Purpose": "prefetch;prerender"},
    "an old prefetch": {"X-Moz": "prefetch", "X-Purpose": "preview"},
    "a link checker": {"User-Agent": "Mozilla/5.0 (compatible; LinkCheck/1.0; +http://x)"},
    "nobody known": {"User-Agent": "", "Accept": "*/*", "Range": "bytes=0-0"},
    "one with nonsense": {"User-Agent": "\\x00%00'--", "X-Http-Method-Override": "POST"},
}
STATES: dict[str, Callable[[World], object]] = {
    "live": lambda at: None,
    **{name: happen for name, (happen, _, _) in DEATHS.items()},
}


def contents() -> list[str]:
    return sorted(f"{name.split(',')[0]}: {row}" for name, row in database())


@pytest.mark.parametrize("is_alone", [False, True], ids=["sign-in", "alone"])
@pytest.mark.parametrize("name", STATES)
def test_loading_a_link_changes_no_row(
    name: str, is_alone: bool, alice: Any, signed_in: Callable[..., Client]
) -> None:
    world = World(alice, is_alone)
    STATES[name](world)
    readers = [Client(), *([] if name == "deactivated" else [signed_in(alice)])]
    before = contents()
    queries = ("", "?verdict=approve", "?verdict=reject&comment=x&choice=%00")
    for client in readers:
        paths = [world.path]
        led = client.get(world.path)
        paths += [led["Location"]] if led.has_header("Location") else []
        for path, headers in product(paths, HEADERS.values()):
            for query in queries:
                client.get(path + query, headers=headers)
            for _ in range(2):
                client.head(path, headers=headers)
        for method in (client.options, client.trace, client.put, client.delete, client.patch):
            assert method(path).status_code == 405
    assert contents() == before


@pytest.mark.django_db(transaction=True)
def test_the_secret_stands_in_no_log_and_no_row(
    alice: Any,
    start: Any,
    capfd: Any,
) -> None:
    world = World(alice, is_alone=True)
    unknown = "unknown-" * 5
    port = serve(start, LOG_LEVEL="DEBUG", LOG_FORMAT="json", GUNICORN_CMD_ARGS="--log-level debug")
    page = request(port, "GET", f"{world.path}?verdict=approve")[2].decode()
    assert request(port, "GET", f"/l/{unknown}/")[0] == 404
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert request(port, "POST", world.path, "verdict=approve&shown=x", form)[0] == 422
    assert request(port, "PUT", world.path)[0] == 405
    [shown] = re.findall(r'name="shown" value="([^"]+)"', page)
    body = f"verdict=approve&shown={shown}"
    assert request(port, "POST", world.path, body, form)[0] == 302
    assert request(port, "GET", world.path)[0] == 200
    assert Decision.objects.exists()
    said = "".join(capfd.readouterr())
    assert "/l/…" in said  # the lines are there
    secret = world.path.split("/")[2]
    places = [("log", said), *database()]
    assert leaks(secret, places) == []
    assert leaks(unknown, places) == []
