"""The token endpoint: a key is exchanged for an access token, as RFC 6749 has it."""

from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from oauthlib.oauth2 import BackendApplicationClient

from approvals.intake import keys
from approvals.models import ApprovalTask, Source
from tests.factories import GateFactory, message
from tests.intake.test_webhook import basic, webhook
from tests.security.leaks import leaks

FORM = "application/x-www-form-urlencoded"
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def source(gate: Any) -> Source:
    return webhook(Source.Auth.OAUTH, gate=gate)


@pytest.fixture
def key(source: Source) -> keys.IssuedKey:
    return keys.live_secrets(source)[0]


def ask(
    fields: dict[str, str] | str | bytes,
    header: str = "",
    content_type: str = FORM,
    query: str = "",
) -> HttpResponse:
    body = urlencode(fields) if isinstance(fields, dict) else fields
    headers = {"Authorization": header} if header else {}
    return Client().post(f"/oauth/token{query}", body, content_type=content_type, headers=headers)


def credentials(key: keys.IssuedKey) -> dict[str, str]:
    return {"client_id": key.key_id, "client_secret": key.secret}


def test_a_key_in_the_header_or_in_the_form_gets_an_access_token(source, key):
    answers = [
        ask(GRANT, basic(key.key_id, key.secret)),
        ask(GRANT | credentials(key)),
        ask(GRANT | credentials(key), basic(key.key_id, key.secret)),
    ]
    for answer in answers:
        assert answer.status_code == 200
        said = answer.json()
        assert (said["token_type"], said["expires_in"]) == ("Bearer", 3600)
        assert set(said) == {"access_token", "expires_in", "token_type"}
        assert "no-store" in answer["Cache-Control"]
        assert not answer.cookies
    assert source.keys.get().last_used_at, "fetching a token is a use of the key"


@pytest.mark.parametrize(
    ("changes", "error", "status"),
    [
        ({"grant_type": ""}, "invalid_request", 400),
        (
            {"grant_type": "password", "username": "a", "password": "b"},
            "unsupported_grant_type",
            400,
        ),
        ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type", 400),
        ({"scope": "everything"}, "invalid_scope", 400),
        ({"client_secret": "wrong"}, "invalid_client", 401),
        ({"client_secret": ""}, "invalid_client", 401),
        ({"client_secret": "ü\x00"}, "invalid_client", 401),
        ({"client_id": "key-0000000000000000"}, "invalid_client", 401),
        ({"client_id": ""}, "invalid_client", 401),
        ({"client_id": "\x00"}, "invalid_client", 401),
        ({"client_id": "é" * 1_000}, "invalid_client", 401),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_rfc(key, changes, error, status):
    answer = ask(GRANT | credentials(key) | changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "no-store" in answer["Cache-Control"]
    if status == 401:
        assert answer["WWW-Authenticate"].startswith("Basic ")


def test_requests_that_are_no_token_requests(key):
    form = urlencode(GRANT | credentials(key))
    for answer in (
        ask(form, query=f"?{form}"),
        ask("", query=f"?{form}"),
        ask(form, content_type="application/json"),
        ask(form + "&grant_type=client_credentials"),
        ask(b"\xff\xfe" + form.encode()),
        ask("{not a form}"),
        ask(""),
        ask("grant_type=%zz"),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert ask("x" * 20_000).status_code == 413
    for header in ("Basic", "Basic !", "Basic " + "A" * 5_000, "Bearer x", "Basic w7w6w7w="):
        assert ask(GRANT, header).status_code == 401
    for method in ("get", "put", "delete", "head", "options"):
        assert getattr(Client(), method)("/oauth/token").status_code == 405


def test_only_live_keys_of_sources_that_ask_for_oauth_get_one(gate, source, key, ada):
    other = keys.live_secrets(webhook(Source.Auth.BEARER, gate=gate))[0]
    assert ask(GRANT | credentials(other)).status_code == 401
    Source.objects.filter(pk=source.pk).update(enabled=False)
    assert ask(GRANT | credentials(key)).status_code == 401
    Source.objects.filter(pk=source.pk).update(enabled=True)
    assert ask(GRANT | credentials(key)).status_code == 200
    keys.revoke(source.keys.get(), ada)
    assert ask(GRANT | credentials(key)).status_code == 401


def test_no_secret_and_no_access_token_is_in_any_log_or_refusal(key, caplog, capfd):
    caplog.set_level("DEBUG")
    given = ask(GRANT | credentials(key)).json()["access_token"]
    refusals = [
        ask({"grant_type": "x"} | credentials(key)),
        ask(GRANT | credentials(key) | {"scope": "x"}),
        ask(GRANT, basic("key-0000000000000000", key.secret)),
        ask(GRANT | {"client_id": key.secret, "client_secret": key.key_id}),
        ask(GRANT | credentials(key), content_type="text/plain"),
    ]
    places = [
        *(("answer", f"{answer.headers} {answer.content!r}") for answer in refusals),
        ("log", f"{caplog.text} {[record.__dict__ for record in caplog.records]}"),
        ("output", "".join(capfd.readouterr())),
    ]
    assert "access token refused" in caplog.text
    assert leaks(key.secret, places) == []
    assert leaks(given, places) == []


def test_a_secret_in_an_address_is_in_no_log(source, key, caplog, capfd):
    """Where it does not belong, and where some put it all the same."""
    secret = urlencode(credentials(key))
    ask(GRANT, query=f"?{secret}")
    Client().post(f"/in/{source.address}/?{secret}", "{}", content_type="application/json")
    assert f"POST /in/{source.address}/" in caplog.text
    assert leaks(key.secret, [("log", caplog.text), ("output", "".join(capfd.readouterr()))]) == []


def test_an_exchange_takes_few_queries(key):
    with CaptureQueriesContext(connection) as queries:
        ask(GRANT | credentials(key))
    assert len(queries) <= 2


@pytest.mark.django_db(transaction=True)
def test_a_stock_oauth_client_gets_in(live_server):
    """As EventBridge does it: fetch a token, then post with it."""
    source = webhook(Source.Auth.OAUTH, gate=GateFactory(slug="refunds"))
    [key] = keys.live_secrets(source)
    client = BackendApplicationClient(client_id=key.key_id)
    body = client.prepare_request_body(include_client_id=True, client_secret=key.secret)
    answer = requests.post(
        f"{live_server.url}/oauth/token", body, headers={"Content-Type": FORM}, timeout=20
    )
    token = client.parse_request_body_response(answer.text)
    answer = requests.post(
        f"{live_server.url}/in/{source.address}/",
        message(),
        headers={
            "Authorization": f"Bearer {token['access_token']}",
            "Content-Type": "application/json; charset=utf-8",
        },
        timeout=20,
    )
    assert answer.status_code == 202
    assert answer.json()["taskId"] == str(ApprovalTask.objects.get().pk)
