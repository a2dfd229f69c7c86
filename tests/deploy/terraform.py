"""Terraform's files of the examples: what they declare, what they refer to."""

import re
from pathlib import Path
from typing import Any

import hcl2

TEMPLATE = re.compile(r'templatefile\("\$\{path\.module\}/([\w.-]+)",\s*\{(.*?)\}\)', re.DOTALL)
ACTIONS = re.compile(r"actions\s*=\s*\[([^\]]*)\]")


def parsed(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = hcl2.loads(path.read_text())
    return tree


def declared(tree: dict[str, Any]) -> set[str]:
    """`var.x`, `local.x`, `type.name` and `data.type.name` of all that a file declares."""
    found = {f"var.{_bare(name)}" for block in tree.get("variable", ()) for name in block}
    found |= {f"local.{_bare(name)}" for block in tree.get("locals", ()) for name in block}
    for kind, prefix in (("resource", ""), ("data", "data.")):
        found |= {
            f"{prefix}{_bare(type_)}.{_bare(name)}"
            for block in tree.get(kind, ())
            for type_, named in block.items()
            if not type_.startswith("__")
            for name in named
            if not name.startswith("__")
        }
    return {name for name in found if "__" not in name}


def referred(text: str) -> set[str]:
    """The same names, of all that expressions refer to."""
    code = re.sub(r"#.*", "", text)
    found = set()
    for match in re.finditer(r"\b(?:var|local)\.\w+", code):
        found.add(match[0])
    for match in re.finditer(r"\b(data\.)?((?:aws|archive)_\w+)\.(\w+)", code):
        found.add(f"{match[1] or ''}{match[2]}.{match[3]}")
    return found


def templates(text: str) -> dict[str, set[str]]:
    """The names that each `templatefile` fills in, by its file."""
    return {
        name: set(re.findall(r"^\s*(\w+)\s*=", filled, re.MULTILINE))
        for name, filled in TEMPLATE.findall(text)
    }


def actions(text: str) -> set[str]:
    """All that its policy documents name."""
    return {
        action for listed in ACTIONS.findall(text) for action in re.findall(r'"([^"]+)"', listed)
    }


def _bare(name: str) -> str:
    return name.strip('"')
