"""CALLBACK OUT, which far end: the engines there are, each loaded when it is first wanted."""

import threading
from functools import lru_cache
from typing import Any

from django.utils.module_loading import import_string

from approvals.engines.base import Engine, EngineConfig, Limits
from approvals.errors import EngineUnavailable

# kind -> class; by name, so that a vendor's SDK loads only where it is used
ENGINES: dict[str, str] = {
    "step_functions": "approvals.engines.step_functions.StepFunctions",
    "in_memory": "approvals.engines.in_memory.InMemory",
}

KINDS: list[tuple[str, str]] = [
    ("step_functions", "AWS Step Functions"),
    ("in_memory", "In memory (development)"),
]

_lock = threading.Lock()


def engine_for(config: EngineConfig) -> Engine:
    """The one engine of this process for `config`; threads share it.

    Raises `EngineUnavailable` where the configuration makes none.
    """
    with _lock:  # lru_cache alone lets two threads make two
        return _make(config)


def limits_of(kind: str) -> Limits:
    """What an engine of this kind takes; needs no working configuration."""
    return _class(kind).limits


@lru_cache(maxsize=256)
def _make(config: EngineConfig) -> Engine:
    return _class(config.kind)(config)


def _class(kind: str) -> Any:
    if kind not in ENGINES:
        raise EngineUnavailable(f"There is no engine “{kind}”.", code="UnknownKind")
    return import_string(ENGINES[kind])
