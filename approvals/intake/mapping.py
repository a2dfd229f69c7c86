"""MESSAGE IN, for shapes of an installation's own: a source's JMESPath expressions. Pure.

What an expression may cost is metered (`expressions.py`): neither it nor the message can hang a
receiver.
"""

from collections.abc import Mapping
from typing import Any

from approvals.engines.base import Handle
from approvals.errors import MessageNotUnderstood
from approvals.intake.expressions import BadExpression, Evaluation, check
from approvals.intake.names import (
    CALLBACK_NAMES,
    CONTEXT_NAMES,
    CONTEXT_PARTS,
    TOKEN_NAMES,
    URL_NAMES,
    fold,
    is_context,
)

# What a mapping may fill, and where the canonical message has it; blank: see `mapped`.
FIELDS = {
    "token": "",
    "title": "title",
    "summary": "summary",
    "requestedBy": "requestedBy",
    "gate": "gate",
    "deadline": "deadline",
    "links": "links",
    "reviewers": "reviewers",
    "form": "form",
    "choices": "choices",
    "input": "input",
    "heartbeatSeconds": "heartbeatSeconds",
    "timeoutSeconds": "timeoutSeconds",
    "dedupeKey": "dedupeKey",
    "executionId": "",
}
AS_SENT = "{} (as sent)"

_HANDLES = {
    Handle.TOKEN: ("taskToken", TOKEN_NAMES),
    Handle.URL: ("callbackUrl", URL_NAMES),
}
_CANONICAL = frozenset(fold(name) for name in FIELDS.values() if name)


def problems_with(mapping: Any) -> dict[str, str]:
    """What is wrong with each field of a mapping, in words; blank key: with all of it."""
    if not isinstance(mapping, dict):
        return {"": "it has to be a JSON object of fields and expressions."}
    found: dict[str, str] = {}
    for field, expression in mapping.items():
        if field not in FIELDS:
            found[field] = f"there is no such field; there are {', '.join(FIELDS)}."
        elif not isinstance(expression, str):
            found[field] = "the expression has to be a text."
        elif problem := check(expression):
            found[field] = problem
    return found


def mapped(
    payload: dict[str, Any], mapping: Mapping[str, str], handle: Handle = Handle.TOKEN
) -> dict[str, Any]:
    """The canonical payload that `mapping` (field → JMESPath expression) makes of `payload`.

    An expression that gives null leaves its field to what the message itself says. Unless `input`
    is mapped, everything that came in stays in the payload, so that a reviewer sees all of it.

    Raises `MessageNotUnderstood` with `bad_mapping`; its text names the field, never a value.
    """
    values = _values(payload, mapping)
    token, execution = values.pop("token", None), values.pop("executionId", None)
    kept = _fields_alone(payload, handle) if "input" in values else dict(payload)
    if token is not None:
        kept = _with_one_handle(kept, handle, token)
        values[_HANDLES[handle][0]] = token
    for name, value in values.items():
        if kept.get(name) not in (None, value) and "input" not in values:
            kept[AS_SENT.format(name)] = kept[name]
    if execution is not None:
        # Before the message's own contexts: the first that says anything counts.
        key = "context" if "context" not in kept else "execution_context"
        kept = {key: {"execution": {"id": execution}}, **kept}
    return {**kept, **values}


def _values(payload: dict[str, Any], mapping: Mapping[str, str]) -> dict[str, Any]:
    """What each expression gives; fields whose expression gives null are left out."""
    for field, problem in problems_with(mapping).items():
        raise _bad(field, problem)
    evaluation = Evaluation()
    values: dict[str, Any] = {}
    for field, expression in mapping.items():
        try:
            value = evaluation.of(expression, payload)
        except BadExpression as error:
            raise _bad(field, str(error)) from None
        if field == "reviewers" and not (value is None or isinstance(value, dict)):
            raise _bad(field, "it has to give an object of users and groups.")
        if value is not None:
            values[field] = value
    return values


def _fields_alone(payload: dict[str, Any], handle: Handle) -> dict[str, Any]:
    """The parts of a payload that mean something to us: handles, contexts, canonical fields."""
    names = _HANDLES[handle][1] | CONTEXT_NAMES | _CANONICAL
    names |= CONTEXT_PARTS if is_context(payload) else set()
    alone = {key: value for key, value in payload.items() if fold(key) in names}
    if handle is Handle.URL:
        for key, value in payload.items():
            if fold(key) in CALLBACK_NAMES and isinstance(value, dict):
                alone[key] = {name: part for name, part in value.items() if fold(name) == "url"}
    return alone


def _with_one_handle(payload: dict[str, Any], handle: Handle, token: Any) -> dict[str, Any]:
    """A payload with no handle but `token`, wherever `names.handles` looks for them: the mapping
    says which step waits."""
    left = {key: value for key, value in payload.items() if fold(key) not in _HANDLES[handle][1]}
    if handle is Handle.URL:
        return {
            key: _put(value, "url", token) if fold(key) in CALLBACK_NAMES else value
            for key, value in left.items()
        }
    left = {
        key: _with_one_token(value, token) if fold(key) in CONTEXT_NAMES else value
        for key, value in left.items()
    }
    return _with_one_token(left, token) if is_context(payload) else left


def _with_one_token(context: Any, token: Any) -> Any:
    """An engine's context object (Step Functions', CloudFlow's) whose step's token is `token`."""
    if not isinstance(context, dict):
        return context
    parts = {"task": "token", "current": "tasktoken"}
    return {
        key: _put(value, parts[fold(key)], token) if fold(key) in parts else value
        for key, value in context.items()
    }


def _put(value: Any, name: str, token: Any) -> Any:
    """`value` with `token` in place of what stands at `name`, if anything does."""
    if not isinstance(value, dict):
        return value
    return {key: token if fold(key) == name else part for key, part in value.items()}


def _bad(field: str, problem: str) -> MessageNotUnderstood:
    where = f"The mapping's “{field[:40]}”" if field else "The mapping"
    return MessageNotUnderstood("bad_mapping", f"{where} can't be followed: {problem}")
