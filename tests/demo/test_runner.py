"""The demo's runner: it takes what waits at its gate, shows how far it is, and stops at once."""

import os
import subprocess
import sys

import pytest
from pytest_django.live_server_helper import LiveServer

from approvals.models import Gate, OutsideJob, User
from approvals.outside_jobs.keys import issue_runner_key
from demo.paths import ROOT
from tests.emulated_aws import until
from tests.factories import GateFactory, task_for


@pytest.mark.django_db(transaction=True)
def test_it_takes_a_job_and_shows_how_far_it_is(live_server: LiveServer, ada: User) -> None:
    gate = GateFactory(slug="nightly-reports", kind=Gate.Kind.JOB)
    task_for(gate, title="Nightly report", input={"partitions": 96, "day": "2026-11-21"})
    key = issue_runner_key(gate, "runner", ada).secret
    runner = subprocess.Popen(
        [sys.executable, "-m", "demo.runner", gate.slug],
        cwd=ROOT,
        env={
            **os.environ,
            "COUNTERSIGN_URL": live_server.url,
            "COUNTERSIGN_RUNNER_KEY": key,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        job = until(lambda: OutsideJob.objects.filter(percent__gt=0).first(), 30)
        assert job.note == "Reading partitions, 1 of 96 partitions"
    finally:
        runner.terminate()
        output, _ = runner.communicate(timeout=5)
    assert output == "took Nightly report\n"
