"""MESSAGE IN: from the raw body of any known shape to an `IncomingMessage`. Pure.

The payload is taken out of its envelopes (`envelopes`), its token found, its context read
(`context`), its canonical fields checked (`fields`), and what is left becomes the input that a
reviewer sees, with the token masked (`masking`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from approvals.engines.base import Handle
from approvals.errors import MessageNotUnderstood
from approvals.intake.context import read_context
from approvals.intake.envelopes import unwrap
from approvals.intake.executions import read_news
from approvals.intake.fields import MAX_TITLE_LENGTH, cut, one_line, read_fields
from approvals.intake.mapping import mapped
from approvals.intake.masking import Mask
from approvals.intake.message import ExecutionContext, ExecutionNews, IncomingMessage
from approvals.intake.names import (
    CALLBACK_NAMES,
    CONTEXT_NAMES,
    CONTEXT_PARTS,
    TOKEN_NAMES,
    URL_NAMES,
    contexts,
    fold,
    handles,
    is_context,
    lookup,
    spelled,
)
from approvals.tokens import TaskToken

MAX_TOKEN_LENGTH = 2_048


def read(
    body: str | bytes,
    handle: Handle = Handle.TOKEN,
    mapping: Mapping[str, str] | None = None,
    sent_at: datetime | None = None,
) -> IncomingMessage | ExecutionNews:
    """The message in `body`, at most 1 MiB of JSON in any shape seen in the wild.

    `handle` is what the engine that waits hands over; `mapping` a source's own JMESPath
    expressions, for shapes that nobody has seen yet; `sent_at` when the queue was handed it.

    Raises `MessageNotUnderstood`, and nothing else. Its codes: `too_large`, `not_text`, `empty`,
    `not_json`, `duplicate_key`, `too_deep`, `not_object`, `not_a_notification`,
    `too_many_envelopes`, `no_token`, `several_tokens`, `bad_token`, `bad_field`,
    `bad_mapping`, `bad_event`.
    """
    unwrapped = unwrap(body, handle)
    if news := read_news(unwrapped):
        return news
    payload = mapped(unwrapped.payload, mapping, handle) if mapping else unwrapped.payload
    token = _token(payload, handle)
    mask = Mask(token, handle)
    context = read_context(payload, unwrapped.resources, mask, unwrapped.sent_at or sent_at)
    inner_key = _input_key(payload)
    inner = payload[inner_key] if inner_key else {}
    fields, shown = read_fields(payload, inner, mask)
    fields["title"] = fields.get("title") or _title(payload, context, mask)
    kept = _input(payload, inner_key, shown, handle)
    return IncomingMessage(token=token, input=mask.value(kept), context=context, **fields)


def _token(payload: dict[str, Any], handle: Handle) -> TaskToken:
    """The one task token of a payload.

    Two that differ are refused rather than ranked: a decision sent to the wrong step can't be
    taken back. Only the payload's own level counts, so a parent workflow's token in the input
    disturbs nobody.
    """
    found = handles(payload, handle)
    if not found and handle is Handle.TOKEN:
        found = [v for key, v in payload.items() if fold(key) == "token" and v is not None]
    if not found and handle is Handle.URL:
        raise MessageNotUnderstood(
            "no_token", "No callback address was found: the message needs a field callbackUrl."
        )
    if not found:
        raise MessageNotUnderstood(
            "no_token", "No task token was found: the message needs a field taskToken."
        )
    if not all(_is_token(value) for value in found):
        raise MessageNotUnderstood(
            "bad_token",
            f"The task token has to be a text of 1 to {MAX_TOKEN_LENGTH:,} characters"
            " without spaces or control characters.",
        )
    if len(set(found)) > 1:
        raise MessageNotUnderstood(
            "several_tokens", "The message holds two different task tokens: which one waits?"
        )
    return TaskToken(found[0])


def _is_token(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(value) <= MAX_TOKEN_LENGTH
        and value.isprintable()  # false for controls, lone surrogates and all spaces but one
        and " " not in value
    )


def _input_key(payload: dict[str, Any]) -> str | None:
    """Where the workflow's own data stands, if it is an object."""
    for name in ("input", "payload"):
        key = spelled(payload, name)
        if key is not None and isinstance(payload[key], dict):
            return key
    return None


def _input(payload: dict[str, Any], inner_key: str | None, shown: set[str], handle: Handle) -> Any:
    """What a reviewer should see besides the fields: the input object, if nothing stands beside it.

    Unknown neighbours of the input stay, since a reviewer must not decide without them.
    """
    rest = {
        key: value
        for key, value in payload.items()
        if key not in shown and not _is_machinery(payload, key, handle)
    }
    if inner_key is not None and len(rest) == 1:
        return rest[inner_key]
    if rest:
        return rest
    started_with = (lookup(context, "execution", "input") for context in contexts(payload))
    return next((value for value in started_with if value is not None), {})


def _is_machinery(payload: dict[str, Any], key: str, handle: Handle) -> bool:
    """Whether `key` holds the token or the context, which are no data for a reviewer.

    A callback address is data like any other where the engine waits for a token.
    """
    folded = fold(key)
    return (
        folded in TOKEN_NAMES
        or (handle is Handle.URL and folded in URL_NAMES)
        or (handle is Handle.URL and folded in CALLBACK_NAMES and _is_bare_url(payload[key]))
        or (folded in CONTEXT_NAMES and isinstance(payload[key], dict))
        or (folded in CONTEXT_PARTS and is_context(payload))
    )


def _is_bare_url(value: Any) -> bool:
    return isinstance(value, dict) and {fold(key) for key in value} <= {"url"}


def _title(payload: dict[str, Any], context: ExecutionContext, mask: Mask) -> str:
    """A title for a message without one: the first line of AWS's `Message`, else the step."""
    message = lookup(payload, "message")
    if isinstance(message, str) and message.strip():
        return cut(one_line(message.strip().splitlines()[0], mask), MAX_TITLE_LENGTH)
    if context.state and context.workflow:
        return cut(f"{context.state} in {context.workflow}", MAX_TITLE_LENGTH)
    return ""
