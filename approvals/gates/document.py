"""POLICY, in a document: YAML text to the values of gates, stages and calendars, and back. Pure.

What a document does not say is the model's default: it is the whole of a gate, and leaving a key
out is how to take it back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import yaml
from django.db import models

from approvals.errors import BadDocument
from approvals.gates.keys import Values, keys_of
from approvals.models import Calendar, Gate, Stage

STAGES = "stages"
_MOST_BYTES = 5_000_000


@dataclass
class Document:
    """By the slugs of gates and the names of calendars; `Values` hold a gate's stages too, in
    order, under `stages`."""

    calendars: dict[str, Values] = field(default_factory=dict)
    gates: dict[str, Values] = field(default_factory=dict)


def read(text: str) -> Document:
    """Raises `BadDocument`, which names every key that is wrong."""
    if len(text) > _MOST_BYTES:
        raise BadDocument(["This is too large for a document of gates."])
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise BadDocument([f"This is not YAML: {error}"]) from None
    problems: list[str] = []
    top = _mapping(found, "the document", problems)
    _refuse_unknown(top, ("calendars", "gates"), "the document", problems)
    document = Document()
    for name, said in _mapping(top.get("calendars"), "calendars", problems).items():
        document.calendars[str(name)] = _values(said, Calendar, f"calendars.{name}", problems)
    for slug, said in _mapping(top.get("gates"), "gates", problems).items():
        document.gates[str(slug)] = _gate(said, f"gates.{slug}", problems)
    if problems:
        raise BadDocument(problems)
    return document


def write(document: Document) -> str:
    """The text that `read` makes the same document of; what is as by default is left out."""
    said: dict[str, Any] = {}
    if document.calendars:
        said["calendars"] = {
            name: written(values, Calendar) for name, values in document.calendars.items()
        }
    if document.gates:
        said["gates"] = {slug: written(values, Gate) for slug, values in document.gates.items()}
    return yaml.dump(said, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=96)


def written(values: Values, model: type[models.Model]) -> dict[str, Any]:
    """One gate, stage or calendar as a document says it."""
    said = {}
    for name, key in keys_of(model).items():
        if values[name] != key.default:
            said[key.name] = key.write(values[name])
        if name == "veto" and values.get(STAGES):
            said[STAGES] = [written(stage, Stage) for stage in values[STAGES]]
    return said


def changed(before: Values, after: Values, model: type[models.Model]) -> list[str]:
    """The keys of one gate or calendar that a document says otherwise than another."""
    found = [
        key.name for name, key in keys_of(model).items() if key.differs(before[name], after[name])
    ]
    was, now = before.get(STAGES, []), after.get(STAGES, [])
    if len(was) != len(now) or any(changed(*pair, Stage) for pair in zip(was, now, strict=True)):
        found.append(STAGES)
    return found


def _gate(said: Any, where: str, problems: list[str]) -> Values:
    said = dict(_mapping(said, where, problems))
    stages = said.pop(STAGES, None)
    stages = [] if stages is None else stages
    values = _values(said, Gate, where, problems, also=(STAGES,))
    if not isinstance(stages, list):
        problems.append(f"{where}.{STAGES}: Write a list, in order.")
        stages = []
    values[STAGES] = [
        _values(stage, Stage, f"{where}.{STAGES}[{number}]", problems)
        for number, stage in enumerate(stages, 1)
    ]
    return values


def _values(
    said: Any,
    model: type[models.Model],
    where: str,
    problems: list[str],
    also: tuple[str, ...] = (),
) -> Values:
    keys = keys_of(model)
    said = _mapping(said, where, problems)
    _refuse_unknown(said, [key.name for key in keys.values()], where, problems, also)
    values = {}
    for name, key in keys.items():
        values[name] = key.default
        if key.name in said:
            try:
                values[name] = key.read(said[key.name])
            except ValueError as error:
                problems.append(f"{where}.{key.name}: {error}")
    return values


def _mapping(value: Any, where: str, problems: list[str]) -> Mapping[Any, Any]:
    """Nothing at all is an empty one: a key with all of it still to come."""
    if value is None or isinstance(value, dict):
        return value or {}
    problems.append(f"{where}: Write keys and values here.")
    return {}


def _refuse_unknown(
    said: Mapping[Any, Any],
    known: Iterable[str],
    where: str,
    problems: list[str],
    also: tuple[str, ...] = (),
) -> None:
    known = [*known, *also]
    for key in said:
        if key not in known:
            close = get_close_matches(str(key), known, n=1)
            hint = f"Did you mean “{close[0]}”?" if close else f"Known are: {', '.join(known)}."
            problems.append(f"{where}: There is no “{key}”. {hint}")


class _Loader(yaml.SafeLoader):
    """Days stay texts, as JSON has them, and no key may come twice."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in pairs if not tag.endswith(":timestamp")]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        text = super().construct_scalar(node)
        if "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
            raise yaml.constructor.ConstructorError(
                None, None, "a NUL or half a character, which can't be kept", node.start_mark
            )
        return text

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is not a text", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"“{key}” is there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Lists stand in by their key, nothing is said by reference."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, data: str) -> yaml.ScalarNode:
        """These end a line too, and only between double quotes are they escaped."""
        style = '"' if any(one in data for one in "\r\x85\u2028\u2029") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)
