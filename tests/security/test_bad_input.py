"""Whatever is sent to any address gets a clear answer, never a 500."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.db.transaction import atomic, set_rollback
from django.test import Client
from hypothesis import HealthCheck, given, settings, strategies as st

from approvals.intake.accept import accept
from approvals.models import ApprovalTask, Decision
from tests.factories import task_for
from tests.routes import address, parameters, routes

NASTY = [
    "", "\x00", "a\x00b", "é" * 5000, "-1", "0", "99999999999999999999999", "1e309", "NaN", "None",
    "' OR 1=1 --", "%", "\\", "''", "!", ":*", "a & | b", "()", "<script>", "../../etc/passwd",
    "2026-99-99", "0000-00-00", "9999-12-31T23:59:59", "[]", "{}", "00000000-0000-0000-0000-0",
    "01a20333-2a3a-76f7-9d66-ea7dd63a22c1", "💥", "\ufffe", "\u202e",
]  # fmt: skip
NAMES = [
    "tab", "q", "gate", "workflow", "requester", "after", "before", "v", "verdict", "comment",
    "list", "reason", "next", "action", "who", "actor", "since", "until", "words", "n", "task",
    "time_zone", "theme", "shortcuts", "login", "password", "choice", "shown", "opened", "seen",
    "batch", "person", "text", "from", "as", "source", "code", "beyond", "pointed_out", "to",
    "back", "away_from", "away_until", "delegate",
]  # fmt: skip
OURS = sorted(route for route in set(routes()) if not route.startswith(("admin/", "accounts/")))


@pytest.fixture
def everybody(gate, source, alice, bob, olive, audrey, ada, signed_in) -> list[Client]:
    accept(source, ["not json"])
    task_for(gate)
    ada.is_superuser = True
    ada.save()
    clients = [Client(), *map(signed_in, (alice, olive, audrey, ada))]
    for client in clients:
        client.raise_request_exception = False
    return clients


def answer_of(answer: Any) -> str:
    return f"{answer.status_code} at {answer.request['PATH_INFO']}?{answer.request['QUERY_STRING']}"


@pytest.mark.parametrize("route", [*OURS, "accounts/login/"])
def test_nasty_values_in_every_field_of_every_address(route, everybody):
    """By a stranger, a reviewer, and somebody whom every page lets in; of the latter two one asks
    for the page and one for its partial, in turn. What a value changes is undone for the next."""
    url = address(route, parameters())
    stranger, reviewer, _ = clients = [everybody[0], everybody[1], everybody[-1]]
    for number, value in enumerate(NASTY):
        everything = dict.fromkeys(NAMES, value)
        found = {"tab": "done", "verdict": "approve", "q": value, "after": value}
        with atomic():
            # Nothing that reads JSON asks who is signed in.
            answers = [stranger.post(url, value, content_type="application/json")]
            answers.append(reviewer.get(url, found))
            for client, is_htmx in zip(clients, (0, number % 2, 1 - number % 2), strict=True):
                headers = {"HX-Request": "true"} if is_htmx else {}
                body = everything if is_htmx else everything | {"verdict": "reject"}
                answers.append(client.get(url, everything, headers=headers))
                answers.append(client.post(url, body, headers=headers))
            set_rollback(True)
        assert [answer_of(answer) for answer in answers if answer.status_code >= 500] == []


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace", "options", "head"])
def test_methods_that_nobody_offers(method, everybody):
    for client in everybody:
        for route in OURS:
            answer = getattr(client, method)(address(route, parameters()))
            assert answer.status_code < 500, answer_of(answer)
    assert not Decision.objects.exists()


@pytest.mark.parametrize("session", ['"abcdefgh\\000"', "é" * 40, "x" * 5_000, "' OR 1=1 --"])
def test_sessions_that_nobody_was_given(session, everybody):
    stranger = everybody[0]
    for route in [*OURS, "accounts/login/"]:
        url, headers = address(route, parameters()), {"Cookie": f"countersign_session={session}"}
        for answer in (stranger.get(url, headers=headers), stranger.post(url, headers=headers)):
            assert answer.status_code < 500, answer_of(answer)


@pytest.mark.parametrize(
    "path",
    ["/tasks/x/", "/tasks/%00/", "/tasks//", "/nothing", "/%ff%fe", "/a" * 2000, "/admin/%00/",
     "/tasks/01a20333-2a3a-76f7-9d66-ea7dd63a22c1/", "/static/../config/settings.py",
     "/static/%2e%2e/manage.py", "/health/live/extra"],
)  # fmt: skip
def test_paths_that_lead_nowhere(path, everybody):
    for client in everybody:
        assert client.get(path).status_code in (301, 302, 400, 404)


values = st.one_of(st.text(max_size=80), st.sampled_from(NASTY), st.integers().map(str))
fields = st.dictionaries(st.sampled_from(NAMES), values, max_size=5)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(route=st.sampled_from(OURS), query=fields, body=fields, htmx=st.booleans())
def test_anything_at_all(everybody, route, query, body, htmx):
    objects = parameters()
    url = address(route, objects) + "?" + urlencode(query, errors="surrogatepass")
    headers = {"HX-Request": "true"} if htmx else {}
    for client in everybody:
        assert client.get(url, headers=headers).status_code < 500
        body = {name: value.encode("utf-8", "replace").decode() for name, value in body.items()}
        assert client.post(url, body, headers=headers).status_code < 500
    assert ApprovalTask.objects.count() >= 1
