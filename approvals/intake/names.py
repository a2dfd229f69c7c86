"""MESSAGE IN: the names that the parts of a message go by, in any spelling. Pure."""

from typing import Any

from approvals.engines.base import Handle

TASK_TOKEN_NAMES = frozenset({"tasktoken", "mytasktoken"})
# `token` alone may be anything, so it counts only where nothing is called a task token.
TOKEN_NAMES = TASK_TOKEN_NAMES | {"token"}
# What waits on HTTP hands over an address instead.
URL_NAMES = frozenset({"callbackurl", "resumeurl"})
# Google Workflows hands over an object with a `url`.
CALLBACK_NAMES = frozenset({"callback", "callbackdetails"})
CONTEXT_NAMES = frozenset({"context", "executioncontext"})
CONTEXT_PARTS = frozenset({"execution", "state", "statemachine", "task", "flow", "current"})


def fold(key: str) -> str:
    """`taskToken`, `TaskToken`, `task_token`, `TASK-TOKEN` → `tasktoken`."""
    return key.replace("_", "").replace("-", "").lower()


def spelled(mapping: dict[str, Any], name: str) -> str | None:
    """The key by which `name` (camelCase) stands in `mapping`: as written, else the first alike."""
    if name in mapping:
        return name
    folded = name.lower()
    return next((key for key in mapping if fold(key) == folded), None)


def lookup(value: Any, *path: str) -> Any:
    """What stands at `path` (camelCase names) below `value`; None where there is no such place."""
    for name in path:
        key = spelled(value, name) if isinstance(value, dict) else None
        if key is None:
            return None
        value = value[key]
    return value


def is_context(value: Any) -> bool:
    """Whether this is an engine's context object itself, as `$$` (Step Functions) and `$Context`
    (CloudFlow) passed whole are."""
    return isinstance(lookup(value, "execution"), dict) and (
        isinstance(lookup(value, "task"), dict)
        or isinstance(lookup(value, "current", "taskToken"), str)
    )


def contexts(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Every context object of a payload; the payload itself where it is nothing else."""
    named = [
        value
        for key, value in payload.items()
        if isinstance(value, dict) and fold(key) in CONTEXT_NAMES
    ]
    return [*named, payload] if is_context(payload) else named


def handles(payload: dict[str, Any], kind: Handle) -> list[Any]:
    """All that is surely meant as the step's handle, unchecked: direct fields, then contexts'."""
    if kind is Handle.URL:
        direct = [value for key, value in payload.items() if fold(key) in URL_NAMES]
        inside = [lookup(v, "url") for key, v in payload.items() if fold(key) in CALLBACK_NAMES]
        return [value for value in (*direct, *inside) if value is not None]
    direct = [value for key, value in payload.items() if fold(key) in TASK_TOKEN_NAMES]
    inside = [
        lookup(context, *path)
        for context in contexts(payload)
        for path in (("task", "token"), ("current", "taskToken"))  # the second is CloudFlow's
    ]
    return [value for value in (*direct, *inside) if value is not None]
