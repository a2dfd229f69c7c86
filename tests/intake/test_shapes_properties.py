"""Whatever comes in is a message or a clear refusal, and the token is kept nowhere else."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings, strategies as st

from approvals.errors import MessageNotUnderstood
from approvals.intake.masking import masked
from approvals.intake.message import IncomingMessage
from approvals.intake.shapes import read
from approvals.tokens import TaskToken

from .test_shapes import SHAPES

CANONICAL = [
    "title",
    "summary",
    "gate",
    "requestedBy",
    "input",
    "links",
    "heartbeatSeconds",
    "timeoutSeconds",
    "deadline",
    "dedupeKey",
    "taskToken",
    "token",
    "context",
    "ExecutionContext",
    "Execution",
    "State",
    "StateMachine",
    "Task",
    "Token",
    "Type",
    "TopicArn",
    "Message",
    "detail",
    "detail-type",
    "source",
    "resources",
    "url",
    "payload",
]

texts = st.text() | st.text(st.characters(exclude_categories=()))
keys = st.sampled_from(CANONICAL) | texts
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20
)
objects = st.dictionaries(keys, values, max_size=8)
tokens = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", min_size=24, max_size=300
)

RANDOM = settings(max_examples=250, deadline=None)


def outcome(body: str | bytes) -> IncomingMessage | MessageNotUnderstood:
    try:
        return read(body)
    except MessageNotUnderstood as problem:
        return problem


def kept(message: IncomingMessage) -> str:
    """All that is kept of a message besides its token, as one text; strict JSON."""
    others = asdict(replace(message, token=TaskToken("x")))
    return json.dumps(others, default=str, ensure_ascii=False, allow_nan=False)


def check(body: str | bytes) -> None:
    """Understood or refused, and in both cases fit for the database and the log."""
    result = outcome(body)
    if isinstance(result, IncomingMessage):
        kept_texts = kept(result)
        kept_texts.encode()  # no lone surrogate
        assert "\\u0000" not in kept_texts.replace("\\\\", "")
    else:
        assert re.fullmatch(r"[a-z_]+", result.code)
        assert str(result)
    shown = masked(body)
    assert len(shown) <= 4_000
    shown.encode()
    assert "\x00" not in shown


@RANDOM
@given(values)
def test_any_json_is_understood_or_refused(value: Any) -> None:
    check(json.dumps(value))


@RANDOM
@given(tokens, objects)
def test_any_object_with_a_token_is_understood_or_refused(token: str, value: Any) -> None:
    check(json.dumps({**value, "taskToken": token}))


@RANDOM
@given(texts)
def test_any_text_is_understood_or_refused(text: str) -> None:
    check(text)


@RANDOM
@given(st.binary())
def test_any_bytes_are_understood_or_refused(body: bytes) -> None:
    check(body)


@RANDOM
@given(st.data(), tokens)
def test_a_message_broken_anywhere_is_understood_or_refused(
    data: st.DataObject, token: str
) -> None:
    body = json.dumps(SHAPES[data.draw(st.sampled_from(sorted(SHAPES)))](token)).encode()
    at = data.draw(st.integers(0, len(body)))
    check(body[:at] + data.draw(st.binary(max_size=3)) + body[at + data.draw(st.integers(0, 3)) :])


@RANDOM
@given(
    st.sampled_from(sorted(SHAPES)),
    tokens,
    st.dictionaries(texts.map("x-{}".format), values, max_size=4),
)
def test_a_token_in_any_shape_is_found_beside_anything(
    shape: str, token: str, siblings: dict[str, Any]
) -> None:
    body = SHAPES[shape](token)
    if isinstance(body, dict):
        body = {**siblings, **body}
    message = outcome(json.dumps(body))
    assert isinstance(message, IncomingMessage)
    assert message.token.reveal() == token


def written(token: str) -> list[str]:
    raw = token.encode()
    return [
        token,
        quote(token),
        quote(token, safe=""),
        quote(quote(token, safe="")),
        json.dumps({"t": token}).replace("/", "\\/"),
        b64encode(raw).decode(),
        b64encode(b"a" + raw + b"zz").decode(),
        b64encode(b"ab" + raw).decode(),
        urlsafe_b64encode(b"abc" + raw).decode(),
    ]


@RANDOM
@given(
    tokens,
    st.sampled_from(["input", "title", "summary", "requestedBy", "dedupeKey", "note", "Message"]),
    st.integers(0, 8),
    st.text(max_size=30),
)
def test_the_token_is_kept_in_no_field_however_it_is_written(
    token: str, field: str, form: int, around: str
) -> None:
    leak = f"{around}{written(token)[form]}{around}"
    message = outcome(
        json.dumps(
            {
                "context": {"Task": {"Token": token}, "State": {"Name": leak}},
                field: leak,
                "more": {leak: [leak]},
                "links": [f"https://a.example/{leak}", {"title": leak, "url": "https://b.example"}],
            }
        )
    )
    if isinstance(message, MessageNotUnderstood):  # requestedBy or dedupeKey is too long
        assert token not in str(message)
        return
    texts_kept = kept(message)
    raw = token.encode()
    # Without the characters at both ends, which depend on what stands beside the token.
    cores = [b64encode(b"abc"[:before] + raw + b"zz").decode()[4:-4] for before in range(3)]
    for secret in (token, quote(token), quote(token, safe=""), *cores):
        assert secret not in texts_kept
    assert not [link for link in message.links if "a.example" in link.url]


@RANDOM
@given(tokens, st.sampled_from(sorted(SHAPES)), st.text(max_size=20))
def test_the_token_is_not_displayed_of_a_broken_message(token: str, shape: str, rest: str) -> None:
    assert token not in masked(json.dumps(SHAPES[shape](token))[:-1] + rest)
