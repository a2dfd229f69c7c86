"""The task token shows nowhere: database, broker, logs, pages, exports, tracebacks."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import redis
from django.test import Client

from approvals.callbacks.deliver import deliver
from approvals.intake.accept import accept
from approvals.jobs import send_heartbeats
from approvals.models import ApprovalTask, Callback, Gate, User
from approvals.states import CallbackStatus
from tests.callbacks.conftest import fake, source, waiting  # noqa: F401 - fixtures
from tests.factories import task_for
from tests.processes.conftest import environment
from tests.routes import address, parameters, routes
from tests.security.leaks import database, leaks, spellings

HELD = "AQCsHELD/+" + "q7" * 150


@pytest.fixture
def broker_traffic() -> Iterator[list[str]]:
    """Everything that anybody says to Redis meanwhile."""
    # Without a limit: one that gave up in a quiet moment would hear nothing of what comes after.
    client = redis.Redis(
        unix_socket_path=urlsplit(os.environ["BROKER_URL"]).path, socket_timeout=None
    )
    said: list[str] = []
    stopping = threading.Event()

    def listen() -> None:
        with client.monitor() as monitor:
            while not stopping.is_set():
                said.append(json.dumps(monitor.next_command()))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    time.sleep(0.2)
    yield said
    stopping.set()
    client.ping()
    thread.join(timeout=5)


def pages(users: dict[str, User], signed_in: Callable[..., Client]) -> Iterator[tuple[str, str]]:
    """Every address that there is, as everybody sees it."""
    objects = parameters() | {"object_id": str(ApprovalTask.objects.first().pk)}
    clients = {name: signed_in(user) for name, user in users.items()} | {"anonymous": Client()}
    for name, client in clients.items():
        client.raise_request_exception = False
        for route in routes():
            answer = client.get(address(route, objects))
            body = (
                b"".join(answer.streaming_content) if answer.streaming else answer.content
            ).decode(errors="replace")
            yield f"{name} at {route}", f"{answer.headers} {answer.cookies} {body}"


@pytest.mark.django_db(transaction=True)
def test_a_token_that_went_through_everything_shows_nowhere(
    fake, source, gate, waiting, alice, olive, audrey, ada, signed_in, broker_traffic,
    tmp_path: Path, capfd: Any, caplog: Any, monkeypatch: Any,
):  # fmt: skip
    one = waiting(
        title="Refund",
        summary="see [order](https://example.com)",
        input={"order": 1, "nested": [{"deep": "x"}]},
    )
    token = one.token
    repeated = fake.create_step()
    task_for(
        gate,
        source,
        taskToken=repeated,
        title=f"Say {repeated}",
        summary=f"[The token](https://example.com/?t={quote(repeated)}) is {repeated}",
        input={"also": repeated, repeated: base64.b64encode(repeated.encode()).decode()},
        links=[f"https://example.com/{quote(repeated, safe='')}"],
    )
    accept(source, [json.dumps({"taskToken": HELD, "gate": "unheard-of"})])
    fake.fault("access_denied", words=f"No permission for {token}")
    fake.fault("throttle", words=token)

    # In processes of their own, with logs that end in files.
    log = tmp_path / "worker.log"
    with log.open("w") as stderr:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "config", "worker",
             "-Q", "callbacks,heartbeats,mails",
             "--pool", "threads", "--loglevel", "debug"],
            env=environment(LOG_LEVEL="DEBUG"), stdout=stderr, stderr=stderr,
        )  # fmt: skip
    try:
        until = time.monotonic() + 30
        while not fake.fired("throttle") or not one.calls("SendTaskHeartbeat"):
            assert time.monotonic() < until
            time.sleep(0.1)
        callback = one.decide(alice)
        while not Callback.objects.filter(pk=callback.pk, status=CallbackStatus.DELIVERED).exists():
            assert time.monotonic() < until + 30
            time.sleep(0.1)
    finally:
        worker.terminate()
        worker.wait(timeout=30)

    # A bug in the middle of a call, with the token among the local variables.
    other = waiting()
    bug = other.decide(alice)

    def break_down(self: object, token: object, *args: object) -> None:
        raise RuntimeError(f"a bug near {token}")

    monkeypatch.setattr("approvals.engines.step_functions.StepFunctions.succeed", break_down)
    monkeypatch.setattr("approvals.engines.step_functions.StepFunctions.heartbeat", break_down)
    assert deliver(bug.pk) == CallbackStatus.UNCONFIRMED
    send_heartbeats()

    users = {"reviewer": alice, "operator": olive, "auditor": audrey, "admin": ada}
    User.objects.filter(pk=ada.pk).update(is_superuser=True)
    places = [
        *database(),
        *(("broker", line) for line in broker_traffic),
        ("worker's log", log.read_text()),
        *pages(users, signed_in),
        ("own log", f"{caplog.text} {[record.__dict__ for record in caplog.records]}"),
        ("own output", "".join(capfd.readouterr())),
    ]
    assert len(places) > 500
    assert any("deliver_callback" in text for name, text in places if name == "broker")
    assert "callback delivered" in log.read_text()
    assert "a bug near TaskToken(…)" in dict(places)["own log"]
    for secret in (token, repeated, other.token, HELD):
        assert leaks(secret, places) == []


@pytest.mark.django_db
def test_a_planted_leak_is_found_in_every_spelling(gate: Gate):
    secret = "AQCs+/secret=with/characters+that/get+encoded==" * 3
    for spelling in spellings(secret):
        Gate.objects.filter(pk=gate.pk).update(description="")
        assert leaks(secret, database()) == []
        Gate.objects.filter(pk=gate.pk).update(description=f"x{spelling}y"[:300])
        assert leaks(secret, database()), spelling
