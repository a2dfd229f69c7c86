"""The security suite: what every address does, whoever calls and whatever they send.

Subclasses say what an address of their kind is and how the right caller calls it. Those whose
callers have keys take `KeyedSourceContract`, those that sign with a time `SignedContract` as well.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.decisions.decide import decide
from approvals.intake import keys
from approvals.intake.sources.registry import called
from approvals.models import ApprovalTask, AuditEvent, Decision, Gate, QuarantinedMessage, Source
from approvals.states import Verdict
from tests.conftest import person
from tests.factories import SourceFactory, message
from tests.security.leaks import leaks

REFUSED = (400, 401, 403)

_DEEP = 10_000
BOMBS: dict[str, str] = {
    "arrays in arrays": "[" * _DEEP + "]" * _DEEP,
    "objects in objects": '{"a":' * _DEEP + "1" + "}" * _DEEP,
    "brackets that never close": '{"taskToken":"t","input":' + "[" * _DEEP,
    "51 levels": '{"taskToken":"t51","input":' + "[" * 50 + "]" * 50 + "}",
    "the token twice": '{"taskToken":"one","taskToken":"two"}',
    "a key twice": '{"taskToken":"t2","input":{"a":1,"a":2}}',
    "not a number": '{"taskToken":"tn","input":{"a":NaN}}',
    "infinity": '{"taskToken":"ti","input":{"a":-Infinity}}',
    "a huge number": '{"taskToken":"th","gate":"refunds","input":{"a":' + "9" * 5_000 + "}}",
    "a huge exponent": '{"taskToken":"te","gate":"refunds","input":{"a":1e999999}}',
    "half a character": '{"taskToken":"ts","gate":"refunds","title":"\\ud800"}',
    "half a character as a token": '{"taskToken":"\\udfff"}',
    "a NUL": '{"taskToken":"t0","gate":"refunds","title":"\\u0000","input":{"\\u0000":"\\u0000"}}',
    "a NUL as a token": '{"taskToken":"a\\u0000b"}',
    "a NUL as a gate": '{"taskToken":"tg","gate":"\\u0000"}',
    "text in text in text": json.dumps(json.dumps(json.dumps("{"))),
    "many keys": json.dumps({"taskToken": "tm"} | {f"k{n}": n for n in range(9_000)}),
    "many tokens": json.dumps({"taskToken": ["x"] * 9_000}),
    "nothing": "",
    "null": "null",
    "half of it": '{"taskToken":"tt","gate":"refunds"',
    "a form": "taskToken=t&gate=refunds",
    "markup": "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><x>&y;</x>",
}


@dataclass(frozen=True)
class Call:
    """One request, but for its address."""

    headers: dict[str, str]
    body: bytes
    content_type: str = "application/json"


def stored() -> tuple[int, ...]:
    """Everything that a call may leave behind."""
    return (
        ApprovalTask.objects.count(),
        QuarantinedMessage.objects.count(),
        AuditEvent.objects.count(),
    )


def address(source: Source) -> str:
    source.refresh_from_db()
    return reverse("intake", args=[source.address])


def post(source: Source, call: Call, client: Client | None = None) -> HttpResponse:
    # As a header too: Django's client leaves it out beside an empty body.
    headers = call.headers | {"Content-Type": call.content_type}
    return (client or Client()).post(
        address(source), call.body, content_type=call.content_type, headers=headers
    )


@pytest.mark.django_db
class CalledSourceContract(ABC):
    """Runs with the gate `refunds`, which the source has for messages that name none."""

    gate: Gate

    @abstractmethod
    def new_source(self) -> Source:
        """An address that takes calls, with `self.gate` and whatever its callers need."""

    @abstractmethod
    def call(self, source: Source, message: str, seconds: float = 0) -> Call:
        """How the right caller sends `message`, `seconds` from now."""

    @abstractmethod
    def forgeries(self, source: Source, message: str) -> Iterator[Call]:
        """What somebody might send who knows all but the secret."""

    def secrets(self, source: Source) -> list[str]:
        """What callers of `source` have that nobody else should."""
        return []

    @pytest.fixture(autouse=True)
    def _gate(self, gate: Gate) -> None:
        self.gate = gate

    def send(self, source: Source, message: str) -> HttpResponse:
        return post(source, self.call(source, message))

    # --- the right caller -----------------------------------------------------------------------

    def test_a_message_of_the_right_caller_is_a_task(self):
        source = self.new_source()
        answer = self.send(source, message(title="Refund order 4711"))
        task = ApprovalTask.objects.get()
        assert answer.status_code == 202
        assert answer.json() == {"taskId": str(task.pk), "status": "pending"}
        assert (task.title, task.source, task.gate) == ("Refund order 4711", source, self.gate)
        source.refresh_from_db()
        assert source.last_message_at

    def test_the_same_message_again_has_the_same_answer_and_no_second_task(self, alice):
        source, body = self.new_source(), message()
        call = self.call(source, body)
        first = post(source, call)
        assert post(source, call).content == first.content, "the very same request"
        assert self.send(source, body).content == first.content, "signed anew"
        decide(first.json()["taskId"], person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
        assert self.send(source, body).content == first.content, "long decided"
        assert ApprovalTask.objects.count() == 1

    def test_what_is_not_understood_is_held_once_and_said_so(self):
        source = self.new_source()
        first, second = (self.send(source, '{"no": "token"}') for _ in range(2))
        assert (first.status_code, second.status_code) == (422, 422)
        assert first.json() == second.json()
        assert (first.json()["error"], first.json()["quarantined"]) == ("no_token", True)
        assert QuarantinedMessage.objects.get().source == source

    def test_a_call_takes_as_few_queries_for_a_long_message_as_for_a_short_one(self):
        source = self.new_source()
        counts = []
        for payload in ({}, {}, {f"k{n}": [n] * 5 for n in range(500)}):
            call = self.call(source, message(input=payload))
            with CaptureQueriesContext(connection) as queries:
                assert post(source, call).status_code == 202
            counts.append(len(queries))
        assert len(set(counts[1:])) == 1
        assert max(counts) <= 16

    def test_answers_are_json_kept_by_nobody_and_start_no_session(self):
        source = self.new_source()
        for answer in (self.send(source, message()), self.send(source, "{"), Client().get("/in/")):
            if answer.status_code == 404:
                continue
            assert answer["Content-Type"] == "application/json"
            assert "no-store" in answer["Cache-Control"]
            assert not answer.cookies

    # --- everybody else -------------------------------------------------------------------------

    def test_forged_calls_are_refused_and_leave_nothing(self):
        source, body = self.new_source(), message()
        self.call(source, body)
        before, tried = stored(), 0
        for call in self.forgeries(source, body):
            answer = post(source, call)
            assert answer.status_code in REFUSED, call
            assert set(answer.json()) == {"error", "message"}
            tried += 1
        assert tried
        assert stored() == before

    def test_nothing_shown_is_refused(self):
        source, body = self.new_source(), message()
        before = stored()
        bare = Call(headers={}, body=body.encode())
        assert post(source, bare).status_code in REFUSED
        assert stored() == before

    def test_the_caller_of_another_source_is_refused(self):
        source, other = self.new_source(), self.new_source()
        call = self.call(other, message())
        before = stored()
        assert post(source, call).status_code in REFUSED
        assert stored() == before
        assert post(other, call).status_code == 202, "at their own address they are welcome"

    def test_somebody_who_is_signed_in_is_no_caller(self, ada, signed_in):
        source = self.new_source()
        before = stored()
        for client in (signed_in(ada), signed_in(ada, enforce_csrf_checks=True)):
            answer = post(source, Call(headers={}, body=message().encode()), client)
            assert answer.status_code in REFUSED
        assert stored()[:2] == before[:2]

    def test_a_source_that_is_switched_off_has_no_address(self):
        source = self.new_source()
        call = self.call(source, message())
        Source.objects.filter(pk=source.pk).update(enabled=False)
        before = stored()
        assert post(source, call).status_code == 404
        assert stored() == before

    def test_a_queue_has_no_address(self):
        call = self.call(self.new_source(), message())
        before = stored()
        assert post(SourceFactory(), call).status_code == 404
        assert stored() == before

    # --- the request itself ---------------------------------------------------------------------

    @pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
    def test_nothing_but_post_does_anything(self, method):
        source = self.new_source()
        call = self.call(source, message())
        before = stored()
        ask: Any = getattr(Client(), method)
        data = {} if method in ("get", "head") else {"data": call.body}
        answer = ask(address(source), **data, headers=call.headers)
        assert answer.status_code == 405
        assert answer["Allow"] == "POST"
        assert stored() == before

    @pytest.mark.parametrize(
        "content_type",
        ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/html",
         "application/json5", "application/problem+json", "text/json", "application/xml", "json"],
    )  # fmt: skip
    def test_other_content_types_are_refused(self, content_type):
        source = self.new_source()
        call = replace(self.call(source, message()), content_type=content_type)
        before = stored()
        assert post(source, call).status_code == 415
        assert stored() == before

    def test_a_charset_beside_the_content_type_is_fine(self):
        source = self.new_source()
        call = self.call(source, message())
        call = replace(call, content_type=f"{call.content_type}; charset=utf-8")
        assert post(source, call).status_code == 202

    def test_a_compressed_body_is_refused(self):
        source = self.new_source()
        call = self.call(source, message())
        before = stored()
        call = replace(call, headers=call.headers | {"Content-Encoding": "gzip"})
        assert post(source, call).status_code == 415
        assert stored() == before

    def test_more_than_the_largest_body_is_refused(self):
        source = self.new_source()
        before = stored()
        call = self.call(source, message(summary="x" * called(source).max_bytes))
        answer = post(source, call)
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
        assert stored() == before

    @pytest.mark.parametrize("name", BOMBS)
    def test_bombs_do_no_harm(self, name):
        source = self.new_source()
        before = stored()
        answers = [self.send(source, BOMBS[name]) for _ in range(2)]
        assert answers[0].content == answers[1].content
        if answers[0].status_code == 202:
            assert ApprovalTask.objects.count() == before[0] + 1
        else:
            assert answers[0].status_code in (422, *REFUSED)
            held = answers[0].status_code == 422
            assert stored()[:2] == (before[0], before[1] + held)

    # --- secrets --------------------------------------------------------------------------------

    def test_no_secret_is_in_any_log_or_answer(self, caplog, capfd):
        caplog.set_level("DEBUG")
        source = self.new_source()
        token = "AQCsNEVER+/shown==" * 4
        body = message(taskToken=token)
        answers = [self.send(source, body), self.send(source, f'{{"taskToken": "{token}"')]
        answers += [post(source, call) for call in self.forgeries(source, body)]
        secrets = self.secrets(source)
        Source.objects.filter(pk=source.pk).update(enabled=False)
        answers.append(self.send_anyhow(source, body))
        places = [
            *((f"answer {at}", f"{one.headers} {one.content!r}") for at, one in enumerate(answers)),
            ("log", f"{caplog.text} {[record.__dict__ for record in caplog.records]}"),
            ("output", "".join(capfd.readouterr())),
        ]
        assert "caller refused" in caplog.text
        for secret in (token, *secrets):
            assert leaks(secret, places) == []

    def send_anyhow(self, source: Source, message: str) -> HttpResponse:
        """A call of which it is known that it will be refused."""
        return post(source, Call(headers={}, body=message.encode()))


class KeyedSourceContract(CalledSourceContract):
    """For sources whose callers show a key of `intake.keys`; `call` uses the newest."""

    credential_header: str

    def newest_key(self, source: Source) -> keys.IssuedKey:
        return keys.live_secrets(source)[-1]

    def secrets(self, source: Source) -> list[str]:
        return [key.secret for key in keys.live_secrets(source)]

    def forgeries(self, source: Source, message: str) -> Iterator[Call]:
        right = self.call(source, message)
        shown = right.headers[self.credential_header]
        for wrong in altered(shown):
            yield replace(right, headers=right.headers | {self.credential_header: wrong})

    def test_both_live_keys_are_good_until_the_old_one_is_revoked(self, ada):
        source = self.new_source()
        with_old = self.call(source, message())
        old = source.keys.get()
        keys.issue(source, ada)
        with_new = self.call(source, message())
        assert [post(source, call).status_code for call in (with_old, with_new)] == [202, 202]
        keys.revoke(old, ada)
        assert [post(source, call).status_code for call in (with_old, with_new)] == [401, 202]

    def test_without_any_key_nobody_gets_in(self, ada):
        source = self.new_source()
        call = self.call(source, message())
        keys.revoke(source.keys.get(), ada)
        before = stored()
        assert post(source, call).status_code == 401
        assert stored() == before

    def test_a_key_says_when_it_was_last_used(self):
        source = self.new_source()
        forgeries = list(self.forgeries(source, message()))
        source.keys.update(last_used_at=None)
        for call in forgeries:
            post(source, call)
        assert source.keys.get().last_used_at is None, "a refused call is no use of it"
        self.send(source, message())
        used = source.keys.get().last_used_at
        assert used
        self.send(source, message())
        assert source.keys.get().last_used_at == used, "once a minute is enough"

    def test_while_a_secret_can_not_be_read_callers_are_asked_to_come_again(self):
        """Until somebody puts the TOKEN_KEYS right. What needs no secret may pass."""
        source = self.new_source()
        call = self.call(source, message())
        source.keys.update(secret_ciphertext=b"of other TOKEN_KEYS")
        before = stored()
        answer = post(source, call)
        if answer.status_code != 202:
            assert (answer.status_code, int(answer["Retry-After"]) > 0) == (503, True)
            assert stored() == before


class SignedContract(CalledSourceContract):
    """For sources whose callers sign the body and the time."""

    longest_seconds: float  # how far a call may be off

    def test_one_altered_byte_is_refused(self):
        source, body = self.new_source(), message(title="Refund 100")
        right = self.call(source, body)
        before = stored()
        for position in (0, len(right.body) // 2, len(right.body) - 1):
            changed = bytearray(right.body)
            changed[position] ^= 1
            assert post(source, replace(right, body=bytes(changed))).status_code in REFUSED
        longer = replace(right, body=right.body + b" ")
        assert post(source, longer).status_code in REFUSED
        assert stored() == before

    @pytest.mark.parametrize("factor", [-1.1, -100])
    def test_an_old_call_is_refused(self, factor):
        source = self.new_source()
        before = stored()
        call = self.call(source, message(), seconds=factor * self.longest_seconds)
        assert post(source, call).status_code in REFUSED
        assert stored() == before

    @pytest.mark.parametrize("factor", [1.1, 100])
    def test_a_call_of_the_future_is_refused(self, factor):
        source = self.new_source()
        before = stored()
        call = self.call(source, message(), seconds=factor * self.longest_seconds)
        assert post(source, call).status_code in REFUSED
        assert stored() == before

    def test_clocks_may_be_a_little_off(self):
        source = self.new_source()
        call = self.call(source, message(), seconds=-0.9 * self.longest_seconds)
        assert post(source, call).status_code == 202


def altered(text: str) -> Iterator[str]:
    """`text`, near enough to fool somebody who compares carelessly."""
    scheme, space, rest = text.rpartition(" ")
    for position in (len(rest) // 3, len(rest) // 2, 2 * len(rest) // 3):
        other = "A" if rest[position] != "A" else "B"
        yield scheme + space + rest[:position] + other + rest[position + 1 :]
    yield from (
        scheme + space + rest[:-2],
        scheme + space + rest + "x",
        scheme + space + rest.swapcase(),
        scheme + space + "ü" + rest[1:],
        scheme + space,
        f"{scheme}{space}%00",
        rest + "x",
        "",
    )
