"""What calls the web process starts once that answers, as the very process that waited."""

import os
import subprocess
import sys

import pytest
from pytest_django.live_server_helper import LiveServer

from demo.paths import ROOT


@pytest.mark.django_db(transaction=True)
def test_a_process_is_started_once_the_web_answers(live_server: LiveServer) -> None:
    program = "import os, sys; print(os.getpid(), sys.argv[1:])"
    waiting = subprocess.Popen(
        [sys.executable, "-m", "demo.ready", "-c", program, "--stay"],
        cwd=ROOT,
        env={**os.environ, "SITE_URL": live_server.url},
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = waiting.communicate(timeout=30)
    assert output == f"{waiting.pid} ['--stay']\n"


def test_it_waits_for_as_long_as_nobody_answers() -> None:
    waiting = subprocess.Popen(
        [sys.executable, "-m", "demo.ready", "-c", "print('started')"],
        cwd=ROOT,
        env={**os.environ, "SITE_URL": "http://127.0.0.1:1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=1)
    waiting.terminate()
    output, _ = waiting.communicate(timeout=5)
    assert output == ""
