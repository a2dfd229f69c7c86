"""DEMO: how a gate of the seed is written down."""

from typing import Any, NamedTuple


class DemoStage(NamedTuple):
    """A later stage, reviewed by teams."""

    name: str
    groups: tuple[str, ...]


class DemoGate(NamedTuple):
    slug: str
    policy: dict[str, Any]
    groups: tuple[str, ...]
    usernames: tuple[str, ...] = ()
    stages: tuple[DemoStage, ...] = ()
    escalate_to: tuple[str, ...] = ()
    calendar: dict[str, Any] | None = None  # of its own
