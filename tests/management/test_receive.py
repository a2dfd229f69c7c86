"""`manage.py receive`: a process that a supervisor can stop."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from config.env import ROOT


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_success(stop: signal.Signals, tmp_path: Path) -> None:
    """Against the test database, which has no source."""
    log = tmp_path / "log"
    database = connection.settings_dict
    host = database["HOST"] or database["OPTIONS"].get("host", "")
    url = f"postgres://{database['USER']}@/{database['NAME']}?host={host}"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "receive"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            stderr=output,
            stdout=output,
        )
        try:
            while "receiver started" not in log.read_text():
                assert process.poll() is None, log.read_text()
            process.send_signal(stop)
            assert process.wait(timeout=15) == 0
        finally:
            process.kill()
    assert "receiver stopped" in log.read_text()
    assert "Traceback" not in log.read_text()
