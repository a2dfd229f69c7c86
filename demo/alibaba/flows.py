"""Flow definitions, the little of them that waiting for a callback takes, in both dialects.

Old (`type: flow`): steps one after the other, `pattern: waitForCallback`, the token at
`$context.task.token`. New (`Type: StateMachine`): states by `Next`, `TaskMode:
WaitForCustomCallback`, the token at `$Context.Current.TaskToken`, values computed under keys that
end in `.$`. Both hand over through MNS; the new one also by `HTTP:Request`. Besides tasks there are
passes, failures, catches by error name, and choices that ask whether one field is true.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Any

IS_TRUE = re.compile(r"\$(?:Input)?\.(\w+) == true")


@dataclass(frozen=True, slots=True)
class State:
    """One step. A task hands `message` to a queue, an address or nobody, and may wait then."""

    name: str
    kind: str = "task"  # task, pass, choice, fail
    waits: bool = True
    queue: str = ""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    message: Any = None  # with the expressions still in it
    in_base64: bool = False  # as clients of MNS put it into a queue by default
    next: str = ""  # blank: the last one
    catches: dict[str, str] = field(default_factory=dict)  # error -> what comes next
    branches: dict[str, str] = field(default_factory=dict)  # field that is true -> what comes next

    def after(self, data: Any) -> str:
        """What comes next, given what the step before has handed on."""
        for name, goes_to in self.branches.items():
            if isinstance(data, dict) and data.get(name) is True:
                return goes_to
        return self.next


@dataclass(frozen=True, slots=True)
class Flow:
    name: str
    states: dict[str, State]
    start: str


def flow_of(*states: State, name: str = "refunds") -> Flow:
    """A flow whose states follow each other."""
    following = [*(state.name for state in states[1:]), ""]
    linked = [replace(state, next=after) for state, after in zip(states, following, strict=True)]
    return Flow(name, {state.name: state for state in linked}, states[0].name)


def read(definition: dict[str, Any], name: str = "") -> Flow:
    """A flow from its YAML, parsed; raises `KeyError` where something is missing."""
    if definition.get("type") == "flow":
        steps = definition["steps"]
        following = [*(step["name"] for step in steps[1:]), ""]
        old = [_old(step, after) for step, after in zip(steps, following, strict=True)]
        return Flow(definition.get("name", name), {one.name: one for one in old}, old[0].name)
    states = {state["Name"]: _new(state) for state in definition["States"]}
    return Flow(definition["Name"], states, definition["StartAt"])


def _old(step: dict[str, Any], following: str) -> State:
    mapped = {one["target"] + ".$": one["source"] for one in step.get("inputMappings", [])}
    default = step.get("default", {}).get("goto", following)
    return State(
        step["name"],
        step["type"],
        waits=step.get("pattern") == "waitForCallback",
        queue=_queue(step.get("resourceArn", "")),
        message=mapped,
        in_base64=True,
        next="" if step.get("end") else default,
        catches={error: one["goto"] for one in step.get("catch", []) for error in one["errors"]},
        branches={_field(one["condition"]): one["goto"] for one in step.get("choices", [])},
    )


def _new(state: dict[str, Any]) -> State:
    given = state.get("Parameters", {})
    return State(
        state["Name"],
        state["Type"].lower(),
        waits=state.get("TaskMode") == "WaitForCustomCallback",
        queue=_queue(given["resourceArn"]) if state.get("Action") == "MNS:SendMessage" else "",
        url=given["url"] if state.get("Action") == "HTTP:Request" else "",
        headers=given.get("headers", {}),
        message=given.get("message", given.get("body")),
        next="" if state.get("End") else state.get("Next", state.get("Default", "")),
        catches={error: one["Next"] for one in state.get("Catch", []) for error in one["Errors"]},
        branches={_field(one["Condition"]): one["Next"] for one in state.get("Branches", [])},
    )


def _queue(resource: str) -> str:
    """The name in `acs:mns:REGION:ACCOUNT:/queues/NAME/messages`."""
    return resource.partition("/queues/")[2].partition("/")[0]


def _field(condition: str) -> str:
    """`approved` in `$Input.approved == true`."""
    found = IS_TRUE.fullmatch(condition)
    if not found:
        raise KeyError(condition)
    return found[1]


def filled(template: Any, roots: dict[str, Any]) -> Any:
    """`template` with every `"key.$": "$Root.Path"` replaced by what stands there."""
    if isinstance(template, list):
        return [filled(item, roots) for item in template]
    if not isinstance(template, dict):
        return template
    made: dict[str, Any] = {}
    for key, value in template.items():
        if key.endswith(".$"):
            made[key[:-2]] = _found(value, roots)
        else:
            made[key] = filled(value, roots)
    return made


def _found(expression: Any, roots: dict[str, Any]) -> Any:
    if not isinstance(expression, str) or not expression.startswith("$"):
        return expression
    root, *path = expression[1:].split(".")
    value = roots[root]
    for name in path:
        value = value[name]
    return value
