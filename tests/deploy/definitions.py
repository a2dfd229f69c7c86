"""State machine definitions of the examples, looked at as data."""

import json
import re
from collections.abc import Iterator
from typing import Any

TOKEN = re.compile(r'\$\$\.Task\.Token|\$states\.context\.Task\.Token|"context\.\$": "\$\$"')
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def waiting(definition: dict[str, Any]) -> dict[str, Any]:
    """The states that wait for a task token, by name."""
    return {
        name: state
        for name, state in definition["States"].items()
        if state.get("Resource", "").endswith(".waitForTaskToken")
    }


def passes_token(state: dict[str, Any]) -> bool:
    return bool(TOKEN.search(json.dumps(state.get("Parameters") or state.get("Arguments"))))


def caught(state: dict[str, Any]) -> dict[str, str]:
    """Where each error that is caught by its name leads."""
    return {error: catch["Next"] for catch in state["Catch"] for error in catch["ErrorEquals"]}


def reachable(definition: dict[str, Any]) -> set[str]:
    """Names of states that an execution can come to; also of such that do not exist."""
    found: set[str] = set()
    ahead = [definition["StartAt"]]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += following(definition["States"].get(name, {}))
    return found


def following(state: dict[str, Any]) -> Iterator[str]:
    for part in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        if "Next" in part:
            yield part["Next"]
    if "Default" in state:
        yield state["Default"]


def said_seconds(state: dict[str, Any]) -> dict[str, list[int]]:
    """What the message says of the state's times, wherever in the parameters it stands."""
    text = json.dumps(state.get("Parameters") or state.get("Arguments"))
    return {
        name: [int(digits) for digits in re.findall(rf'"{name}": (\d+)', text)]
        for name in ("heartbeatSeconds", "timeoutSeconds")
    }
