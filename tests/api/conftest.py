"""A caller of the API that shows a key and sends JSON."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.outside_jobs.conftest import job, job_gate, key_of, runner, source  # noqa: F401

NOTHING = object()


@pytest.fixture
def call() -> Callable[..., Any]:
    client = Client(raise_request_exception=True)

    def send(path: str, key: str = "", body: Any = NOTHING, **kwargs: Any) -> Any:
        """POST; `body` is JSON, or bytes to send as they are."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        data = b"" if body is NOTHING else body
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        kwargs.setdefault("content_type", "application/json")
        return client.post(f"/api/v1/{path}", data, headers=headers, **kwargs)

    return send


@pytest.fixture
def claimed(job, runner, call) -> Callable[..., dict[str, Any]]:
    """A job that a runner has taken through the API: what the API said of it."""

    def make(**fields: Any) -> dict[str, Any]:
        job(**fields)
        return call("gates/spark/claim", runner.secret).json()

    return make
