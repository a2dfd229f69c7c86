"""The webhook, called in each of the ways that callers can show who they are."""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import time_machine
from django.test import Client

from approvals.findings import Level
from approvals.intake import keys
from approvals.intake.sources.signature import sign
from approvals.intake.sources.webhook import Webhook
from approvals.models import ApprovalTask, AuditEvent, Source
from tests.concurrency import at_once
from tests.contracts.called_source_contract import (
    Call,
    KeyedSourceContract,
    SignedContract,
    post,
    stored,
)
from tests.factories import GateFactory, SourceFactory, message

Auth = Source.Auth


def webhook(auth: str = Auth.HMAC, **fields: Any) -> Source:
    """With one key."""
    source = SourceFactory(kind=Source.Kind.WEBHOOK, queue_url="", auth=auth, **fields)
    source.refresh_from_db()
    keys.issue(source, None)
    return source


def signed(secret: str, body: str, seconds: float = 0) -> Call:
    timestamp = str(int(time.time() + seconds))
    signature = sign(secret, "msg_1", timestamp, body.encode())
    return Call(
        {
            "webhook-id": "msg_1",
            "webhook-timestamp": timestamp,
            "webhook-signature": signature,
        },
        body.encode(),
    )


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class WebhookContract(KeyedSourceContract):
    auth: str
    credential_header = "Authorization"

    def new_source(self) -> Source:
        return webhook(self.auth, gate=self.gate)

    def shown(self, key: keys.IssuedKey) -> str:
        """What the credential header says."""
        raise NotImplementedError

    def call(self, source: Source, message: str, seconds: float = 0) -> Call:
        shown = self.shown(self.newest_key(source))
        return Call({self.credential_header: shown}, message.encode())


class TestHMAC(SignedContract, WebhookContract):
    auth = Auth.HMAC
    credential_header = "webhook-signature"
    longest_seconds = 300

    def call(self, source: Source, message: str, seconds: float = 0) -> Call:
        return signed(self.newest_key(source).secret, message, seconds)

    def test_the_signature_is_the_one_of_the_standard(self):
        """The example that implementations of Standard Webhooks share."""
        assert sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            b'{"test": 2432232314}',
        ) == ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")

    def test_one_good_signature_among_others_is_enough(self):
        source = self.new_source()
        call = self.call(source, message())
        right = call.headers["webhook-signature"]
        many = f"v1a,AAAA v1,{'A' * 43}= {right} v2,x  "
        headers = call.headers | {"webhook-signature": many}
        assert post(source, replace(call, headers=headers)).status_code == 202

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    @pytest.mark.parametrize("value", [None, "", "x", "-1", "1e9", "９", "\x00", "9" * 40, "v1,"])
    def test_every_header_counts(self, name, value):
        source = self.new_source()
        call = self.call(source, message())
        before = stored()
        headers = {key: one for key, one in call.headers.items() if key != name}
        if value is not None:
            headers[name] = value
        assert post(source, replace(call, headers=headers)).status_code == 401
        assert stored() == before

    def test_a_key_made_for_another_credential_signs_nothing(self):
        source = webhook(Auth.BEARER, gate=self.gate)
        secret = self.newest_key(source).secret
        Source.objects.filter(pk=source.pk).update(auth=Auth.HMAC)
        encoded = base64.b64encode(secret.encode()).decode()
        for guess in (f"whsec_{encoded}", "whsec_"):
            assert post(source, signed(guess, message())).status_code == 401


class TestBearer(WebhookContract):
    auth = Auth.BEARER

    def shown(self, key: keys.IssuedKey) -> str:
        return f"Bearer {key.secret}"

    def test_the_refusal_asks_for_a_bearer(self):
        answer = post(self.new_source(), Call({}, b"{}"))
        assert (answer.status_code, answer["WWW-Authenticate"]) == (
            401,
            'Bearer realm="Countersign"',
        )


class TestBasic(WebhookContract):
    auth = Auth.BASIC

    def shown(self, key: keys.IssuedKey) -> str:
        return basic(key.key_id, key.secret)

    def test_the_refusal_asks_for_name_and_password(self):
        """Some callers send them only then."""
        answer = post(self.new_source(), Call({}, b"{}"))
        assert (answer.status_code, answer["WWW-Authenticate"]) == (
            401,
            'Basic realm="Countersign"',
        )

    def test_name_and_password_belong_together(self):
        source = self.new_source()
        keys.issue(source, None)
        first, second = keys.live_secrets(source)
        for name, password in (
            (first.key_id, second.secret),
            (second.key_id, first.secret),
            ("", first.secret),
            (first.key_id, ""),
            (first.secret, first.key_id),
            (first.key_id.upper(), first.secret),
        ):
            call = Call({"Authorization": basic(name, password)}, message().encode())
            assert post(source, call).status_code == 401


class TestAPIKey(WebhookContract):
    auth = Auth.API_KEY
    credential_header = "X-Our-Key"

    def new_source(self) -> Source:
        return webhook(self.auth, gate=self.gate, header_name="x-our-key")

    def shown(self, key: keys.IssuedKey) -> str:
        return key.secret


class TestOAuth(WebhookContract):
    auth = Auth.OAUTH

    def shown(self, key: keys.IssuedKey) -> str:
        return f"Bearer {access_token(key)}"

    def secrets(self, source: Source) -> list[str]:
        return [*super().secrets(source), access_token(self.newest_key(source))]

    def forgeries(self, source: Source, message: str) -> Iterator[Call]:
        yield from super().forgeries(source, message)
        # The secret itself is for the token endpoint alone.
        key = self.newest_key(source)
        for shown in (f"Bearer {key.secret}", basic(key.key_id, key.secret)):
            yield Call({"Authorization": shown}, message.encode())

    def test_an_access_token_ends_after_an_hour(self, later):
        source = self.new_source()
        call = self.call(source, message())
        with later(3_590):
            assert post(source, call).status_code == 202
        with later(3_610):
            answer = post(source, call)
            assert answer.status_code == 401
            assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_a_token_given_under_another_secret_key_is_refused(self, settings):
        source = self.new_source()
        call = self.call(source, message())
        settings.SECRET_KEY = "another" * 8
        assert post(source, call).status_code == 401
        settings.SECRET_KEY_FALLBACKS = ["tests-only-" + "0123456789abcdef" * 4]
        assert post(source, call).status_code == 202, "SECRET_KEY was rotated"

    def test_a_token_is_worth_nothing_once_the_source_asks_for_something_else(self):
        source = self.new_source()
        call = self.call(source, message())
        Source.objects.filter(pk=source.pk).update(auth=Auth.BEARER)
        assert post(source, call).status_code == 401


def access_token(key: keys.IssuedKey) -> str:
    answer = Client().post(
        "/oauth/token",
        f"grant_type=client_credentials&client_id={key.key_id}&client_secret={key.secret}",
        content_type="application/x-www-form-urlencoded",
    )
    return str(answer.json()["access_token"])


@pytest.fixture
def later() -> Any:
    return lambda seconds: time_machine.travel(time.time() + seconds)


# --- keys -------------------------------------------------------------------------------------


def test_a_source_has_two_live_keys_at_most(gate, ada):
    source = webhook(gate=gate)
    keys.issue(source, ada)
    with pytest.raises(keys.TooManyKeys, match="Revoke"):
        keys.issue(source, ada)
    keys.revoke(source.keys.first(), ada)
    keys.issue(source, ada)
    assert source.keys.count() == 2


@pytest.mark.django_db(transaction=True)
def test_administrators_in_a_hurry_make_no_third_key(gate, ada):
    source = webhook(gate=gate)
    got = at_once(*[partial(keys.issue, source, ada)] * 4)
    assert sum(isinstance(one, keys.TooManyKeys) for one in got) == 3
    assert source.keys.count() == 2


def test_making_and_revoking_a_key_is_on_the_record_without_the_secret(gate, ada):
    source = webhook(gate=gate, name="orders")
    issued = keys.issue(source, ada)
    row = source.keys.get(key_id=issued.key_id)
    assert keys.revoke(row, ada)
    assert not keys.revoke(row, ada), "somebody was first"
    made, gone = AuditEvent.objects.filter(actor=ada).order_by("pk")
    assert (made.action, gone.action) == ("key_issued", "key_revoked")
    assert made.data == gone.data == {"source": "orders", "key": issued.key_id}
    assert issued.secret not in repr(issued)
    assert issued.secret.encode() not in bytes(row.secret_ciphertext)


def test_secrets_are_long_fresh_and_fit_what_callers_do_with_them(gate):
    for auth in (Auth.HMAC, Auth.BEARER):
        made = [keys.live_secrets(webhook(auth, gate=gate))[0] for _ in range(3)]
        assert len({key.secret for key in made} | {key.key_id for key in made}) == 6
        assert all(len(key.secret) >= 47 and key.secret.isascii() for key in made)
        assert all(key.secret.startswith("whsec_") == (auth == Auth.HMAC) for key in made)


# --- the address ------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_ten_deliveries_at_once_are_one_task_and_one_answer():
    source = webhook(gate=GateFactory(slug="refunds"))
    call = signed(keys.live_secrets(source)[0].secret, message())
    answers = at_once(*[partial(post, source, call)] * 10)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert ApprovalTask.objects.count() == 1


def test_an_event_of_eventbridge_is_understood(gate):
    source = webhook(Auth.API_KEY, gate=gate)
    event = {
        "version": "0",
        "id": "11112222-3333-4444-5555-666677778888",
        "source": "orders",
        "detail-type": "Approval wanted",
        "resources": ["arn:aws:states:eu-west-1:1:stateMachine:refunds"],
        "detail": {"taskToken": "token-of-an-event", "title": "Refund"},
    }
    headers = {"X-API-Key": keys.live_secrets(source)[0].secret}
    answer = post(source, Call(headers, json.dumps(event).encode()))
    assert answer.status_code == 202
    assert ApprovalTask.objects.get().title == "Refund"


def test_news_of_an_execution_is_taken_and_makes_no_task(gate):
    source = webhook(gate=gate)
    secret = keys.live_secrets(source)[0].secret
    execution = "arn:aws:states:eu-west-1:123456789012:execution:refunds:4711"
    event = {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "time": "2026-11-18T10:27:41Z",
        "resources": [execution],
        "detail": {"executionArn": execution, "status": "SUCCEEDED", "stopDate": 1795000060500},
    }
    answer = post(source, signed(secret, json.dumps(event)))
    assert (answer.status_code, answer.json()) == (202, {"taskId": None})
    assert stored()[:2] == (0, 0)


def test_when_the_last_message_came_is_written_once_a_second_at_most(gate):
    source = webhook(Auth.BEARER, gate=gate)
    headers = {"Authorization": f"Bearer {keys.live_secrets(source)[0].secret}"}
    seen = set()
    for _ in range(3):
        post(source, Call(headers, message().encode()))
        seen.add(Source.objects.get(pk=source.pk).last_message_at)
    assert len(seen) <= 2
    assert None not in seen


def test_behind_tls_a_call_in_the_clear_is_sent_away(gate, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    source = webhook(gate=gate)
    call = signed(keys.live_secrets(source)[0].secret, message())
    before = stored()
    assert post(source, call).status_code == 301
    assert stored() == before
    proxied = replace(call, headers=call.headers | {"X-Forwarded-Proto": "https"})
    assert post(source, proxied).status_code == 202


# --- the doctor -------------------------------------------------------------------------------


def findings(source: Source) -> list[tuple[Level, str]]:
    return [(finding.level, finding.what) for finding in Webhook(source).examine()]


def test_the_doctor_tells_the_address_and_what_is_missing(gate, settings):
    source = webhook(Auth.BEARER, gate=gate)
    found = findings(source)
    assert (Level.OK, f"Callers POST to http://127.0.0.1:8000/in/{source.address}/") in found
    assert [level for level, what in found if "https" in what] == [Level.WARNING]
    assert [level for level, what in found if "never used" in what] == [Level.WARNING]

    settings.SITE_URL = "https://countersign.example.com"
    headers = {"Authorization": f"Bearer {keys.live_secrets(source)[0].secret}"}
    post(source, Call(headers, message().encode()))
    assert findings(source) == [
        (Level.OK, f"Callers POST to https://countersign.example.com/in/{source.address}/"),
        (Level.OK, f"Its live keys: {source.keys.get().key_id}."),
    ]

    source.auth = Auth.HMAC
    assert [what for level, what in findings(source) if level is Level.BAD] == [
        f"{source.keys.get().key_id} was made for another kind of credential and signs nothing."
    ]
    keys.revoke(source.keys.get(), None)
    assert (Level.BAD, "It has no key, so nobody can call.") in findings(source)


def test_the_doctor_names_where_access_tokens_come_from(gate):
    assert (
        Level.OK,
        "They get their access tokens at http://127.0.0.1:8000/oauth/token",
    ) in findings(webhook(Auth.OAUTH, gate=gate))


def test_the_doctor_sees_a_secret_that_no_key_opens(gate):
    source = webhook(gate=gate)
    source.keys.update(secret_ciphertext=b"of another TOKEN_KEYS")
    assert [level for level, what in findings(source) if "TOKEN_KEYS" in what] == [Level.BAD]
