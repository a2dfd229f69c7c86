"""RECORD, in words: what an audit event's `data` says to a person. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from approvals.decisions import guard

LONGEST = 300

_LABELS = {
    "attempt": "Attempt",
    "changed": "Changed in the payload",
    "choice": "Choice",
    "code": "Code",
    "comment": "Comment",
    "detail": "Detail",
    "error": "Error",
    "gate": "Gate",
    "groups": "To",
    "key": "Key number",
    "message": "Message",
    "method": "By",
    "on_behalf_of": "In place of",
    "taken_from": "Taken from",
    "to": "To",
    "told": "Told",
    "notice": "Of",
    "newer": "Its place was taken by",
    "older": "Took the place of",
    "outcome": "Outcome",
    "pointed_out": "Pointed out",
    "quorum": "Approvals required",
    "reason": "Reason",
    "runner": "Runs on",
    "reconciled": "Found by looking it up",
    "source": "Source",
    "via": "Via",
    "was": "Was",
}
# Keys of other rows, for whoever follows them in the export; noise on a page.
_FOR_MACHINES = {"decision", "decisions", "id"}
_CONFIGURATION = ("model", "object", "change", "changes")


def details(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, text) pairs to show; blank values left out."""
    pairs = []
    if "model" in data:
        what = f"{data['model']} “{data.get('object', '')}” {data.get('change', 'changed')}"
        pairs.append(("Configuration", _short(what)))
        changes = data.get("changes")
        if isinstance(changes, dict):
            say = _SAY.get(str(data.get("change")), _old_and_new)
            pairs += [(label, _short(say(change))) for label, change in changes.items()]
    for key, value in data.items():
        if key in _FOR_MACHINES or key in _CONFIGURATION or value in ("", None, [], {}):
            continue
        said = "; ".join(guard.words(value)) if key == "pointed_out" else _text(value)
        pairs.append((_LABELS.get(key, key.replace("_", " ").capitalize()), _short(said)))
    return pairs


def _old_and_new(change: Any) -> str:
    if isinstance(change, list) and len(change) == 2:
        old, new = (_text(value) or "nothing" for value in change)
        return f"{old} → {new}"
    return _text(change)


# What was just added had no values before, and what is deleted has none after.
_SAY: dict[str, Callable[[Any], str]] = {
    "added": lambda change: _text(change[-1]) if isinstance(change, list) else _text(change),
    "deleted": lambda change: _text(change[0]) if isinstance(change, list) else _text(change),
}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, list) and all(isinstance(item, dict) and "path" in item for item in value):
        return "; ".join(map(_changed, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _changed(one: Mapping[str, Any]) -> str:
    """A place of a payload that a reviewer changed (`asked.edits`)."""
    before, after = one.get("before", "nothing"), one.get("after", "nothing")
    return f"{one['path'] or 'all of it'}: {before} → {after}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
