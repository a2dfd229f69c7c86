"""Callback URL: the contract, what goes over the wire, and what every answer means."""

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote_plus

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from approvals.callbacks.outbox import LEASE
from approvals.engines import callback_url, credentials, exchange
from approvals.engines.base import EngineConfig, Fate, Step
from approvals.engines.callback_url import CallbackURL
from approvals.engines.credentials import LONGEST, UNTOLD, Grant, read_grant
from approvals.engines.registry import kind_of
from approvals.errors import (
    CallbackRefused,
    EngineError,
    EngineUnavailable,
    OutcomeUnknown,
    TaskGone,
)
from approvals.findings import Level
from approvals.tokens import TaskToken
from tests.contracts.engine_contract import OUTPUT, EngineContract, assert_does_not_tell
from tests.engines.waiting_on_http import (  # noqa: F401 - fixtures
    HOST,
    HttpSteps,
    Names,
    authority,
    engine,
    engine_to,
    names,
    serve,
    server,
    token,
    token_at,
    trusted,
)
from tests.fakes.waiting_server import Reply, WaitingServer

SECRET = "s3cret-" + "x7" * 20


class TestCallbackURL(EngineContract):
    has_heartbeats = False
    can_look_up = False

    @pytest.fixture
    def steps(self, server: WaitingServer) -> HttpSteps:
        return HttpSteps(server)


# --- over the wire -------------------------------------------------------------------------------


def test_a_success_is_the_output_itself(engine: CallbackURL, token: TaskToken, server) -> None:
    engine.succeed(token, OUTPUT)
    [heard] = server.heard
    assert heard.method == "POST"
    assert token.reveal().endswith(heard.target), "path and query as they came"
    assert heard.body.decode() == OUTPUT
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["countersign-status"] == "succeeded"
    assert heard.headers["user-agent"].startswith("Countersign/")
    assert heard.headers["host"] == f"{HOST}:{server.port}"
    assert "authorization" not in heard.headers


def test_a_failure_says_so_in_header_and_body(
    engine: CallbackURL, token: TaskToken, server
) -> None:
    engine.fail(token, "Rejected", "zu teuer – 太贵了")
    [heard] = server.heard
    assert heard.headers["countersign-status"] == "failed"
    assert json.loads(heard.body) == {
        "status": "failed",
        "approved": False,
        "error": "Rejected",
        "cause": "zu teuer – 太贵了",
    }


@pytest.mark.parametrize(
    "target",
    [
        "/a%2fb/%E2%82%AC?sig=a%2Fb%2B&x=%2f..",
        "/a/../b//c;d=1?x={y}|z",
        "/?a",
        "/a?b?c=d&amp;e='f'",
    ],
)
def test_path_and_query_arrive_to_the_letter(engine, server, target: str) -> None:
    server.steps[target] = None
    engine.succeed(token_at(server, target), OUTPUT)
    assert server.heard[0].target == target


def test_an_address_without_a_path_gets_a_slash(engine, server) -> None:
    server.steps["/?sig=abc"] = None
    engine.succeed(token_at(server, "?sig=abc"), OUTPUT)
    assert server.heard[0].target == "/?sig=abc"


def test_tries_of_one_answer_share_a_key_that_no_other_answer_has(engine, server) -> None:
    server.reply = lambda heard: Reply(503)
    one, other = (token_at(server, server.create_step()) for _ in range(2))
    for to, output in ((one, "1"), (one, "1"), (one, "2"), (other, "1")):
        with pytest.raises(OutcomeUnknown):
            engine.succeed(to, output)
    with pytest.raises(OutcomeUnknown):
        engine.fail(one, "Rejected", "")
    keys = [heard.headers["idempotency-key"] for heard in server.heard]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    assert all(len(key) == 64 for key in keys)


def test_no_proxy_of_the_environment_is_asked(
    engine, token, server, serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{proxy.port}")
    engine.succeed(token, OUTPUT)
    assert (server.connections, proxy.connections) == (1, 0)


def test_plain_http_goes_to_a_host_that_is_written_with_it(serve) -> None:
    plain = serve()
    target = plain.create_step()
    engine_to(f"http://127.0.0.1:{plain.port}").succeed(
        TaskToken(f"http://127.0.0.1:{plain.port}{target}"), OUTPUT
    )
    assert plain.steps[target]


def test_the_next_number_of_a_name_is_tried_where_nothing_was_sent(
    engine, token, server, names: Names
) -> None:
    names[HOST] = [["127.0.0.77", "127.0.0.1"]]
    engine.succeed(token, OUTPUT)
    assert len(server.heard) == 1


# --- what the caller should do -------------------------------------------------------------------

STATUSES: dict[int, type[EngineError]] = {
    301: CallbackRefused,
    302: CallbackRefused,
    307: CallbackRefused,
    308: CallbackRefused,
    400: CallbackRefused,
    401: EngineUnavailable,
    403: EngineUnavailable,
    404: TaskGone,
    405: CallbackRefused,
    408: EngineUnavailable,
    409: TaskGone,
    410: TaskGone,
    413: CallbackRefused,
    422: CallbackRefused,
    425: EngineUnavailable,
    429: EngineUnavailable,
    500: OutcomeUnknown,
    502: OutcomeUnknown,
    503: OutcomeUnknown,
    504: OutcomeUnknown,
    600: OutcomeUnknown,
    103: OutcomeUnknown,
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_says_what_to_do_after_one_call(engine, token, server, status: int) -> None:
    server.reply = lambda heard: Reply(status, token.reveal().encode(), {"Location": "/else"})
    with pytest.raises(EngineError) as raised:
        engine.succeed(token, OUTPUT)
    assert type(raised.value) is STATUSES[status]
    assert raised.value.code
    assert str(status) in str(raised.value)
    assert raised.value.__context__ is None
    assert_does_not_tell(raised.value, token)
    assert len(server.heard) == server.connections == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_taken(engine, token, server, status: int) -> None:
    server.reply = lambda heard: Reply(status, b"")
    engine.succeed(token, OUTPUT)


@pytest.mark.parametrize("fault", ["drop", "reset", "hang", "nonsense", "drip_head", "long_head"])
def test_an_answer_that_was_lost_leaves_the_outcome_unknown(
    engine, token, server, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "TALK", 1.0)
    server.reply = lambda heard: Reply(fault=fault)
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown) as raised:
        engine.succeed(token, OUTPUT)
    assert time.monotonic() - started < 15
    assert raised.value.code
    assert_does_not_tell(raised.value, token)
    assert len(server.heard) == 1


@pytest.mark.parametrize("fault", ["cut", "drip", "long"])
def test_a_status_counts_whatever_follows_it(
    engine, token, server, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "TALK", 1.0)
    server.reply = lambda heard: Reply(fault=fault)
    started = time.monotonic()
    engine.succeed(token, OUTPUT)
    assert time.monotonic() - started < 15
    server.reply = lambda heard: Reply(410, fault=fault)
    with pytest.raises(TaskGone):
        engine.succeed(token, OUTPUT)


def test_nothing_that_was_not_sent_is_unknown(
    engine, token, server, serve, names: Names, authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(to: TaskToken, engine: CallbackURL = engine) -> str:
        with pytest.raises(EngineUnavailable) as raised:
            engine.succeed(to, OUTPUT)
        assert_does_not_tell(raised.value, to)
        return raised.value.code

    names[HOST] = [[]]
    assert refused(token) == "NameNotFound"
    names[HOST] = [["127.0.0.77"]]
    assert refused(token) == "ConnectionRefusedError"
    names[HOST] = [["127.0.0.1"]]
    stranger, plain = serve("stranger.test"), serve()
    for other in (stranger, plain):
        to = token_at(other, other.create_step())
        assert refused(to, engine_to(f"https://{HOST}:{other.port}")).startswith("SSL")
        assert not other.heard
    monkeypatch.delenv("SSL_CERT_FILE")
    assert refused(token, engine_to(f"https://{HOST}:{server.port}")) == "SSLCertVerificationError"
    assert not server.heard


def test_a_host_that_never_shakes_hands_is_not_waited_for(
    names: Names, trusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "HANDSHAKE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(EngineUnavailable) as raised:
            engine_to(f"https://{HOST}:{port}").succeed(
                TaskToken(f"https://{HOST}:{port}/"), OUTPUT
            )
    assert raised.value.code == "TimeoutError"


def test_a_name_server_that_hangs_is_not_waited_for(
    engine, token, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: hang.wait(30) and [])
    monkeypatch.setattr(exchange, "RESOLVE", 0.2)
    with pytest.raises(EngineUnavailable) as raised:
        engine.succeed(token, OUTPUT)
    hang.set()
    assert raised.value.code == "NameNotFound"


def test_all_times_together_stay_below_the_lease() -> None:
    assert LEASE.total_seconds() - 5 > credentials.WAIT + credentials.FETCH + callback_url.WITHIN


def test_there_is_nobody_to_ask(engine, token, server) -> None:
    assert not kind_of("callback_url").can_be_asked("")
    step = Step("", "Approve", token)
    engine.heartbeat(step)
    assert engine.find_out(step, "decision") is Fate.UNKNOWN
    assert server.connections == 0


# --- credentials ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "header", "value"),
    [
        ({"auth": "bearer"}, "authorization", f"Bearer {SECRET}"),
        ({"auth": "header", "header_name": "X-N8N-Key"}, "x-n8n-key", SECRET),
    ],
)
def test_a_fixed_credential_goes_along(server, token, config, header: str, value: str) -> None:
    engine_to(f"https://{HOST}:{server.port}", secret=SECRET, **config).succeed(token, OUTPUT)
    assert server.heard[0].headers[header] == value


@pytest.mark.parametrize(
    "config",
    [
        {"auth": "bearer"},
        {"auth": "bearer", "secret": "two\nlines"},
        {"auth": "bearer", "secret": "schlüssel"},
        {"auth": "header", "secret": SECRET},
        {"auth": "header", "secret": SECRET, "header_name": "Host"},
        {"auth": "header", "secret": SECRET, "header_name": "Content-Length"},
        {"auth": "header", "secret": SECRET, "header_name": "X: y\r\nZ"},
        {"auth": "oauth", "secret": SECRET, "key_id": "me"},
        {"auth": "oauth", "secret": SECRET, "key_id": "me", "token_url": "http://id.example/token"},
        {"auth": "oauth", "key_id": "me", "token_url": "https://id.example/token"},
        {"auth": "google", "secret": "no JSON"},
        {"auth": "google", "secret": "{}"},
        {"auth": "google", "secret": "[]"},
    ],
)
def test_without_its_credential_nothing_is_sent_and_an_operator_comes_first(
    server, token, config: dict[str, Any]
) -> None:
    engine = engine_to(f"https://{HOST}:{server.port}", **config)
    with pytest.raises(EngineUnavailable) as raised:
        engine.succeed(token, OUTPUT)
    assert raised.value.code == "NoCredentials"
    assert SECRET not in str(raised.value)
    assert server.connections == 0


def test_a_credential_that_is_not_known_makes_no_engine() -> None:
    with pytest.raises(EngineUnavailable):
        CallbackURL(EngineConfig(kind="callback_url", hosts=("a.example",), auth="kerberos"))


class Tokens:
    """A token endpoint; counts what it gave."""

    def __init__(self, server: WaitingServer) -> None:
        self.server, self.given, self.lives, self.basic = server, 0, 3600, True
        server.reply = self.reply

    def reply(self, heard: Any) -> Reply:
        form = parse_qs(heard.body.decode())
        is_basic = heard.headers.get("authorization", "").startswith("Basic ")
        if is_basic is not self.basic:
            return Reply(401, b'{"error": "invalid_client"}')
        assert self.basic or form["client_secret"] == [SECRET]
        self.given += 1
        answer = {"access_token": f"access-{self.given}", "expires_in": self.lives}
        return Reply(200, json.dumps(answer).encode())

    def engine(self, to: WaitingServer) -> CallbackURL:
        hosts = f"https://{HOST}:{to.port}", f"http://127.0.0.1:{self.server.port}"
        url = f"http://127.0.0.1:{self.server.port}/token"
        return engine_to(
            *hosts, auth="oauth", token_url=url, key_id="me", scope="a b", secret=SECRET
        )


@pytest.fixture
def tokens(serve: Callable[..., WaitingServer]) -> Tokens:
    return Tokens(serve())


@pytest.mark.parametrize("basic", [True, False])
def test_client_credentials_are_exchanged_once_for_many_calls(server, tokens, basic) -> None:
    tokens.basic = basic
    engine = tokens.engine(server)
    targets = [server.create_step() for _ in range(8)]
    threads = [
        threading.Thread(target=engine.succeed, args=(token_at(server, target), OUTPUT))
        for target in targets
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert all(server.steps[target] for target in targets)
    assert tokens.given == 1
    assert {heard.headers["authorization"] for heard in server.heard} == {"Bearer access-1"}
    form = parse_qs(tokens.server.heard[-1].body.decode())
    assert (form["grant_type"], form["scope"]) == (["client_credentials"], ["a b"])
    assert ("client_secret" in form) is not basic
    assert quote_plus(SECRET) not in str([heard.headers for heard in server.heard])


def test_an_access_token_is_replaced_a_minute_before_it_ends(server, tokens) -> None:
    tokens.lives = 61
    engine = tokens.engine(server)
    engine.succeed(token_at(server, server.create_step()), OUTPUT)
    time.sleep(1.2)
    engine.succeed(token_at(server, server.create_step()), OUTPUT)
    assert tokens.given == 2


def test_an_access_token_that_is_refused_is_dropped_and_the_answer_tried_again(
    server, tokens, token
) -> None:
    engine = tokens.engine(server)
    revoked = "Bearer access-1"
    server.reply = lambda heard: Reply(401) if heard.headers["authorization"] == revoked else None
    with pytest.raises(EngineUnavailable) as raised:
        engine.succeed(token, OUTPUT)
    assert raised.value.code == "TokenRefused"
    engine.succeed(token, OUTPUT)
    assert server.heard[-1].headers["authorization"] == "Bearer access-2"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(400, b'{"error": "invalid_scope"}'), "AccessDenied"),
        (Reply(401, b"<html>"), "AccessDenied"),
        (Reply(302, headers={"Location": "http://127.0.0.1:1/"}), "TokenUnavailable"),
        (Reply(500), "TokenUnavailable"),
        (Reply(200, b"[]"), "TokenUnavailable"),
        (Reply(200, b'{"access_token": "a\\nb"}'), "TokenUnavailable"),
        (Reply(200, b'{"access_token": 5}'), "TokenUnavailable"),
        (Reply(200, b" " * 100_000), "TokenUnavailable"),
        (Reply(fault="drop"), "TokenUnavailable"),
    ],
)
def test_a_token_endpoint_that_gives_none_holds_the_answer_back(
    server, tokens, token, reply: Reply, code: str
) -> None:
    tokens.server.reply = lambda heard: reply
    with pytest.raises(EngineUnavailable) as raised:
        tokens.engine(server).succeed(token, OUTPUT)
    assert raised.value.code == code
    assert SECRET not in str(raised.value)
    assert server.connections == 0


def test_how_long_an_access_token_lives_is_never_believed_without_a_limit(server, tokens) -> None:
    def lives(said: str) -> float:
        body = f'{{"access_token": "a", "expires_in": {said}}}'.encode()
        return read_grant(exchange.Answer(200, body)).seconds

    told = ("NaN", "-5", "null", "1" + "0" * 400, '"60"', "Infinity")
    assert [lives(said) for said in told] == [
        UNTOLD,
        UNTOLD,
        UNTOLD,
        UNTOLD,
        60.0,
        LONGEST,
    ]


def test_an_answer_that_nests_without_end_is_no_access_token() -> None:
    grant = read_grant(exchange.Answer(200, b"[" * 60_000))
    assert isinstance(grant, Grant)
    assert grant.token == ""


# --- Google --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def service_account(private_key: str, token_uri: str) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "inbox@project.iam.gserviceaccount.com",
            "private_key_id": "1",
            "private_key": private_key,
            "token_uri": token_uri,
        }
    )


def give_tokens(endpoint: WaitingServer) -> str:
    body = json.dumps({"access_token": "ya29.given", "expires_in": 3600}).encode()
    endpoint.reply = lambda heard: Reply(200, body)
    return f"http://127.0.0.1:{endpoint.port}"


def test_a_google_service_account_signs_for_an_access_token(server, serve, private_key) -> None:
    endpoint = serve()
    address = give_tokens(endpoint)
    secret = service_account(private_key, f"{address}/token")
    engine = engine_to(f"https://{HOST}:{server.port}", address, auth="google", secret=secret)
    for _ in range(2):
        engine.succeed(token_at(server, server.create_step()), OUTPUT)
    [asked] = endpoint.heard
    assert parse_qs(asked.body.decode())["grant_type"] == [
        "urn:ietf:params:oauth:grant-type:jwt-bearer"
    ]
    assert {heard.headers["authorization"] for heard in server.heard} == {"Bearer ya29.given"}


def test_without_a_key_the_machines_own_google_identity_is_used(
    server, serve, private_key, token, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = give_tokens(serve())
    path = tmp_path / "identity.json"
    path.write_text(service_account(private_key, f"{address}/token"))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    engine_to(f"https://{HOST}:{server.port}", auth="google").succeed(token, OUTPUT)
    assert server.heard[0].headers["authorization"] == "Bearer ya29.given"


def test_a_service_account_key_that_points_elsewhere_is_not_used(
    server, serve, private_key, token
) -> None:
    endpoint = serve()
    address = give_tokens(endpoint)
    for uri in (f"{address}/token", "https://evil.example/token"):
        engine = engine_to(
            f"https://{HOST}:{server.port}", auth="google", secret=service_account(private_key, uri)
        )
        with pytest.raises(EngineUnavailable) as raised:
            engine.succeed(token, OUTPUT)
        assert raised.value.code == "NoCredentials"
    assert (endpoint.connections, server.connections) == (0, 0)


def test_google_refusing_the_account_holds_the_answer_back(
    server, serve, private_key, token
) -> None:
    endpoint = serve()
    endpoint.reply = lambda heard: Reply(400, b'{"error": "invalid_grant"}')
    address = f"http://127.0.0.1:{endpoint.port}"
    secret = service_account(private_key, f"{address}/token")
    engine = engine_to(f"https://{HOST}:{server.port}", address, auth="google", secret=secret)
    with pytest.raises(EngineUnavailable, match="invalid_grant") as raised:
        engine.succeed(token, OUTPUT)
    assert raised.value.code == "AccessDenied"
    assert server.connections == 0


# --- manage.py doctor ----------------------------------------------------------------------------


def test_the_doctor_tries_hosts_and_credential_without_sending_an_answer(
    server, serve, tokens, names: Names
) -> None:
    names["inside.test"] = [["10.0.0.5"]]
    names["away.test"] = [[]]
    good = tokens.engine(server)
    assert {finding.level for finding in good.examine()} == {Level.OK}
    assert (len(server.heard), server.connections) == (0, 1)

    bad = engine_to("inside.test", "away.test", "10.0.0.5", "*.com", auth="bearer")
    findings = list(bad.examine())
    assert [finding.level for finding in findings] == [Level.BAD] * 5
    assert all(finding.mend for finding in findings)

    [hosts] = engine_to().examine()
    assert hosts.level == Level.BAD
    [below] = engine_to("*.logic.azure.com").examine()
    assert below.level == Level.OK
    [below, _] = engine_to("*.logic.azure.com", auth="bearer", secret=SECRET).examine()
    assert below.level == Level.WARNING
