"""WHAT IS ASKED, the payload: what of it may be changed, and what was. Pure.

Values are compared as JSON has them: 1 and true differ, 1 and 1.0 do not. Paths are JSON Pointers
(RFC 6901).
"""

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from approvals.asked.values import problem_with
from approvals.intake.masking import MASK, storable
from approvals.models import ApprovalTask, Gate

MAX_POINTERS, MAX_POINTER_LENGTH = 20, 300
MAX_EDITS = 100
MAX_EDITS_LENGTH = 60_000  # characters of JSON
SHORT = 200  # characters of a value on the record

_POINTER = re.compile(r"(/([^/~]|~[01])*)*")
_POSITION = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)

Edit = dict[str, Any]  # {"path": str, "before": JSON, "after": JSON}; neither where it is not there


class _Unchanged:
    """That a decision leaves the payload as it is; null is a payload too."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED = _Unchanged()


class CannotChange(Exception):
    """This change of the payload is not permitted; the text is for people."""


def check_pointers(pointers: Any) -> None:
    """Raises `ValidationError` unless these are the places that a gate lets people change."""
    if not isinstance(pointers, list) or not all(isinstance(one, str) for one in pointers):
        raise ValidationError("This has to be a list of JSON Pointers, such as [“/amount”].")
    if len(pointers) > MAX_POINTERS:
        raise ValidationError(f"These are more than {MAX_POINTERS} places; use “” for all of it.")
    for one in pointers:
        if len(one) > MAX_POINTER_LENGTH or not _POINTER.fullmatch(one) or storable(one) != one:
            raise ValidationError(f"“{one[:60]}” is no JSON Pointer; “/amount” is one.")
    if len(set(pointers)) != len(pointers):
        raise ValidationError("The same place is named twice.")


def payload_of(task: ApprovalTask) -> Any:
    """As it stands now: as somebody changed it, else as it came."""
    return task.payload if task.edited_payload is None else task.edited_payload


def may_change(task: ApprovalTask) -> bool:
    """Whether the gate permits it at all."""
    return bool(task.gate.editable) and task.gate.kind != Gate.Kind.JOB and task.payload is not None


def digest(task: ApprovalTask) -> str:
    """Of what a page shows and offers to change, to know it again when the form comes back."""
    said = json.dumps([payload_of(task), task.gate.editable])
    return hashlib.blake2s(said.encode(), digest_size=12).hexdigest()


def find(payload: Any, pointer: str) -> Any:
    """The value there; raises `LookupError` if there is none."""
    for key in _keys(pointer):
        if isinstance(payload, dict):
            payload = payload[key]
        elif isinstance(payload, list) and _POSITION.fullmatch(key):
            payload = payload[int(key)]
        else:
            raise LookupError(pointer)
    return payload


def put(payload: Any, pointer: str, value: Any) -> Any:
    """A copy of `payload` with `value` there; raises `LookupError` if there is no such place."""
    if not pointer:
        return value
    changed = copy.deepcopy(payload)
    above, _, key = pointer.rpartition("/")
    find(changed, pointer)
    place = find(changed, above)
    place[int(key) if isinstance(place, list) else _unescaped(key)] = value
    return changed


def is_masked(value: Any) -> bool:
    """Whether a secret was taken out of it."""
    return MASK in json.dumps(value, ensure_ascii=False)


def edits_between(before: Any, after: Any) -> list[Edit]:
    """What differs, each at its own place; lists of another length are one difference."""
    return list(_differences("", before, after))


def check_edits(task: ApprovalTask, payload: Any) -> list[Edit]:
    """What `payload` changes; raises `CannotChange` unless the gate permits all of it."""
    if problem := problem_with(payload):
        raise CannotChange(problem)
    edits = edits_between(payload_of(task), payload)
    if not edits:
        return []
    if payload is None:  # that would say: as it came
        raise CannotChange("The payload can't be taken away altogether.")
    if not may_change(task):
        raise CannotChange("The payload can't be changed at this gate.")
    for edit in edits:
        if not any(_is_within(edit["path"], one) for one in task.gate.editable):
            raise CannotChange(f"“{edit['path'][:100]}” can't be changed at this gate.")
        if is_masked(edit.get("before")):
            raise CannotChange(f"“{edit['path'][:100]}” is hidden, so it can't be changed.")
    if len(edits) > MAX_EDITS or len(json.dumps(edits)) > MAX_EDITS_LENGTH:
        raise CannotChange("That is more than can be changed with one decision. Reject it instead.")
    return edits


def for_the_record(edits: Sequence[Edit]) -> list[dict[str, str]]:
    """Paths and short values: the record never holds a whole payload."""
    return [
        {"path": one["path"]}
        | {side: _short(one[side]) for side in ("before", "after") if side in one}
        for one in edits
    ]


def _differences(path: str, before: Any, after: Any) -> Iterator[Edit]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            below = f"{path}/{_escaped(key)}"
            if key not in after:
                yield {"path": below, "before": before[key]}
            elif key not in before:
                yield {"path": below, "after": after[key]}
            else:
                yield from _differences(below, before[key], after[key])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for position, pair in enumerate(zip(before, after, strict=True)):
            yield from _differences(f"{path}/{position}", *pair)
    elif not _is_same(before, after):
        yield {"path": path, "before": before, "after": after}


def _is_same(one: Any, other: Any) -> bool:
    """Of two values that are not both objects, nor lists of one length."""
    numbers = [isinstance(v, int | float) and not isinstance(v, bool) for v in (one, other)]
    return bool(one == other and (all(numbers) or type(one) is type(other)))


def _is_within(path: str, pointer: str) -> bool:
    return path == pointer or path.startswith(f"{pointer}/")


def _keys(pointer: str) -> list[str]:
    return [_unescaped(part) for part in pointer.split("/")[1:]]


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
