"""MESSAGE IN: JMESPath with a meter, so that no expression and no message can hang a process. Pure.

JMESPath has no loops, but `[@, @]` seven times in a row is a list of 128, and a hundred times
more than memory holds. So every step costs, and whatever walks or copies a value costs what there
is to walk; a value met twice is weighed once.
"""

import math
from functools import lru_cache
from typing import Any

from jmespath import exceptions, functions, parser, visitor

from approvals.intake.strict_json import MAX_DEPTH, MAX_INT_DIGITS

MAX_LENGTH = 1_000
MAX_NESTING = 50
# For all expressions of one mapping on one message. Measured: at most a tenth of a second.
MAX_STEPS = 200_000
CHARACTERS_A_STEP = 64

_LARGEST = 10**MAX_INT_DIGITS
# These look at their arguments' surface alone.
_SHALLOW = frozenset(
    {"abs", "ceil", "ends_with", "floor", "keys", "length", "map", "not_null", "reverse",
     "starts_with", "to_array", "to_number", "type", "values"}
)  # fmt: skip


# Take an expression to apply: sort_by(items, &price).
_BY = frozenset({"map", "max_by", "min_by", "sort_by"})


class BadExpression(Exception):
    """An expression can't be read, or does not fit the message; the text quotes no value."""


def check(expression: str) -> str:
    """Why `expression` can't be used, whatever the message, or ""."""
    try:
        _compiled(expression)
    except BadExpression as error:
        return str(error)
    return ""


class Evaluation:
    """One message's expressions, which share what they may cost."""

    def __init__(self) -> None:
        self._interpreter = _Interpreter()

    def of(self, expression: str, payload: dict[str, Any]) -> Any:
        """The JSON value that `expression` gives; raises `BadExpression`."""
        tree = _compiled(expression)
        try:
            return _plain(self._interpreter.visit(tree, payload), self._interpreter, 0)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # Their texts, JMESPath's own too, quote values of the message.
            problem = "it does not fit this message."
        except RecursionError:
            problem = "it goes too deep."
        raise BadExpression(problem)


@lru_cache(maxsize=256)
def _compiled(expression: str) -> dict[str, Any]:
    if not expression.strip():
        raise BadExpression("the expression is empty.")
    if len(expression) > MAX_LENGTH:
        raise BadExpression(f"the expression is longer than {MAX_LENGTH:,} characters.")
    try:
        tree: dict[str, Any] = parser.Parser().parse(expression).parsed
    except exceptions.ParseError as error:
        raise BadExpression(f"it can't be read at character {_place(error)}.") from None
    except (exceptions.JMESPathError, ValueError):
        raise BadExpression("it can't be read.") from None
    except RecursionError:
        raise BadExpression("it is nested too deep.") from None
    if _is_reference(tree):
        raise BadExpression("it gives no value.")
    _check_tree(tree, 1)
    return tree


def _place(error: exceptions.ParseError) -> int:
    place = error.lex_position
    return place + 1 if isinstance(place, int) else 1


def _check_tree(node: Any, depth: int) -> None:
    """What JMESPath itself would only say once a message is there."""
    if depth > MAX_NESTING:
        raise BadExpression("it is nested too deep.")
    if not isinstance(node, dict):
        return  # a slice's numbers
    function = node["value"] if node["type"] == "function_expression" else ""
    if function not in _BY and any(_is_reference(child) for child in node["children"]):
        raise BadExpression(f"& stands only in {', '.join(sorted(_BY))}.")
    if function:
        spec = functions.Functions.FUNCTION_TABLE.get(function)
        if spec is None:
            raise BadExpression(f"there is no function {function[:40]}().")
        wanted, given = spec["signature"], len(node["children"])
        is_open = wanted and wanted[-1].get("variadic")
        if given < len(wanted) or (given > len(wanted) and not is_open):
            raise BadExpression(f"{function}() takes {len(wanted)}, not {given}.")
    for child in node["children"]:
        _check_tree(child, depth + 1)


def _is_reference(node: Any) -> bool:
    return isinstance(node, dict) and node["type"] == "expref"


class _Interpreter(visitor.TreeInterpreter):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(visitor.Options(custom_functions=_Functions(self)))
        self._left = MAX_STEPS
        # By identity; the value is kept so that its identity is not given to another.
        self._weights: dict[int, tuple[Any, int]] = {}

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise BadExpression("it asks for more work than one message may cost.")

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self.spend(1)
        return super().visit(node, *args, **kwargs)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if isinstance(base, list):
            self.spend(sum(len(part) if isinstance(part, list) else 1 for part in base))
        return super().visit_flatten({"children": [{"type": "literal", "value": base}]}, value)

    def visit_slice(self, node: Any, value: Any) -> Any:
        self.spend(surface(value))
        return super().visit_slice(node, value)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        sides = [self.visit(child, value) for child in node["children"]]
        for side in sides:
            self.spend(self.weight(side))
        literals = [{"type": "literal", "value": side} for side in sides]
        return super().visit_comparator({**node, "children": literals}, value)

    def weight(self, value: Any) -> int:
        """What it costs to walk through `value`; what is found below twice counts twice."""
        if not isinstance(value, dict | list):
            return surface(value)
        known = self._weights.get(id(value))
        if known is None:
            self.spend(len(value))
            keys = sum(map(surface, value)) if isinstance(value, dict) else 0
            parts = value.values() if isinstance(value, dict) else value
            known = (value, 1 + keys + sum(map(self.weight, parts)))
            self._weights[id(value)] = known
        return known[1]


class _Functions(functions.Functions):  # type: ignore[misc]
    def __init__(self, interpreter: _Interpreter) -> None:
        self._interpreter = interpreter

    def call_function(self, function_name: str, resolved_args: list[Any]) -> Any:
        cost = surface if function_name in _SHALLOW else self._interpreter.weight
        self._interpreter.spend(sum(map(cost, resolved_args)))
        match function_name, resolved_args:
            case "join", [str(glue), list(parts)]:  # copies what stands between once for each
                self._interpreter.spend(surface(glue) * len(parts))
        return super().call_function(function_name, resolved_args)


def surface(value: Any) -> int:
    """What it costs to copy `value` without what is below it."""
    if isinstance(value, str):
        return 1 + len(value) // CHARACTERS_A_STEP
    return 1 + len(value) if isinstance(value, dict | list) else 1


def _plain(value: Any, interpreter: _Interpreter, depth: int) -> Any:
    """The result as JSON that shares nothing with the payload; anything else is refused."""
    interpreter.spend(surface(value))
    if depth > MAX_DEPTH:
        raise BadExpression("what it gives is nested too deep.")
    match value:
        case None | bool() | str():
            return value
        case int() | float():
            if not (math.isfinite(value) if isinstance(value, float) else abs(value) < _LARGEST):
                raise BadExpression("it gives a number that can't be kept.")
            return value
        case list():
            return [_plain(item, interpreter, depth + 1) for item in value]
        case dict():
            return {key: _plain(item, interpreter, depth + 1) for key, item in value.items()}
        case _:
            raise BadExpression("it gives no value.")
