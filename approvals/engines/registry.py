"""CALLBACK OUT, which far end: the engines there are, each loaded when it is first wanted."""

import threading
from functools import lru_cache

from django.utils.module_loading import import_string

from approvals.engines.base import Engine, EngineConfig
from approvals.errors import EngineUnavailable

# kind -> class; by name, so that a vendor's SDK loads only where it is used
ENGINES: dict[str, str] = {
    "step_functions": "approvals.engines.step_functions.StepFunctions",
    "cloudflow": "approvals.engines.cloudflow.CloudFlow",
    "callback_url": "approvals.engines.callback_url.CallbackURL",
    "in_memory": "approvals.engines.in_memory.InMemory",
}

KINDS: list[tuple[str, str]] = [
    ("step_functions", "AWS Step Functions"),
    ("cloudflow", "Alibaba Cloud CloudFlow"),
    ("callback_url", "Callback URL"),
    ("in_memory", "In memory (development)"),
]

_lock = threading.Lock()


def engine_for(config: EngineConfig) -> Engine:
    """The one engine of this process for `config`; threads share it.

    Raises `EngineUnavailable` where the configuration makes none.
    """
    with _lock:  # lru_cache alone lets two threads make two
        return _make(config)


def kind_of(kind: str) -> type[Engine]:
    """The class: what holds for every engine of a kind needs no working configuration."""
    if kind not in ENGINES:
        raise EngineUnavailable(f"There is no engine “{kind}”.", code="UnknownKind")
    engine: type[Engine] = import_string(ENGINES[kind])
    return engine


@lru_cache(maxsize=256)
def _make(config: EngineConfig) -> Engine:
    return kind_of(config.kind)(config)
