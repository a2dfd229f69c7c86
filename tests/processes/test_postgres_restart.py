"""PostgreSQL goes away and comes back under running workers: they find it again by themselves."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from demo import postgres
from tests.fakes.step_functions import FakeStepFunctions

SEED = """
import sys, django
django.setup()
from tests.factories import ConnectionFactory, GateFactory, SourceFactory, UserFactory, task_for
url, *tokens = sys.argv[1:]
source = SourceFactory(connection=ConnectionFactory(kind="step_functions", endpoint_url=url))
gate = GateFactory(users=[UserFactory(username="alice")])
for token in tokens:
    print(task_for(gate, source, taskToken=token, heartbeatSeconds=3).pk)
"""
DECIDE = """
import sys, django
django.setup()
from approvals.decisions.decide import decide
from approvals.models import Decision, User
from approvals.people.eligibility import Person
decide(sys.argv[1], Person(User.objects.get()), "approve", via=Decision.Via.INBOX)
"""


WORKER = (
    *("celery", "-A", "config", "--quiet", "worker", "-Q", "callbacks,heartbeats,mails"),
    *("--pool", "threads", "--without-gossip", "--without-mingle", "--without-heartbeat"),
)


def test_workers_outlive_a_restart_of_postgresql(tmp_path: Path) -> None:
    sockets = tmp_path / "s"
    sockets.mkdir(mode=0o700)
    database = postgres.start(tmp_path / "pg", sockets)
    environment = os.environ | {"DATABASE_URL": database.url}

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split("\n")[0].strip()

    python("manage.py", "migrate", "--verbosity", "0")
    with FakeStepFunctions() as fake:
        token, kept = fake.create_step(), fake.create_step()
        task = python("-c", SEED, fake.url, token, kept)
        worker = subprocess.Popen(
            [sys.executable, "-m", *WORKER],
            env=environment | {"BROKER_URL": "redis+socket:///nowhere/valkey.sock"},
        )
        try:
            _wait(lambda: len(_beats(fake, kept)) >= 1)
            database.stop()
            time.sleep(3)
            database = postgres.start(tmp_path / "pg", sockets)
            before = len(_beats(fake, kept))
            _wait(lambda: len(_beats(fake, kept)) > before)
            python("-c", DECIDE, task)
            _wait(lambda: fake.step(token).status == "succeeded")
        finally:
            worker.terminate()
            assert worker.wait(timeout=30) == 0
            database.stop()


def _beats(fake: FakeStepFunctions, token: str) -> list[object]:
    return [one for one in fake.calls if (one.action, one.token) == ("SendTaskHeartbeat", token)]


def _wait(truth: Callable[[], bool], seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.1)
