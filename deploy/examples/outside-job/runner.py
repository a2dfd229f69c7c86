"""Claims the jobs that wait at a gate of Countersign, runs a command for each, and reports.

    export COUNTERSIGN_URL=https://countersign.example.com
    export COUNTERSIGN_RUNNER_KEY=csr_…
    python3 runner.py nightly-reports -- spark-submit --master yarn --deploy-mode client report.py

The command reads the job's input as JSON from its standard input. If it ends with 0, what it wrote
to its standard output is the job's output (as JSON if it is JSON, else as text); otherwise the job
has failed as JobFailed, and the end of its standard error is the cause. It may report progress by
itself (report.sh): COUNTERSIGN_TASK_ID and COUNTERSIGN_JOB_KEY are in its environment.

Python 3.10 or newer, nothing else. Several may work on one gate; --once ends after one look.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from typing import IO, Any

PAUSE_SECONDS = 15  # before looking again, and before saying again what did not get through
HEARTBEAT_SECONDS = 60  # keep it well below what the gate calls silent
CAUSE_BYTES = 4_000

stopping = False


class Refused(Exception):
    """Countersign has answered, and it was no."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Countersign answered {status}")
        self.status = status


def main() -> None:
    options = arguments()
    if not shutil.which(options.command[0]):  # found out before a job is taken for it
        sys.exit(f"There is no program “{options.command[0]}” here.")
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    key = os.environ["COUNTERSIGN_RUNNER_KEY"]
    name = f"{socket.gethostname()}-{os.getpid()}"
    while not stopping:
        job = insist(f"gates/{options.gate}/claim", key, {"runner": name})
        if job:
            run(job, options.command)
        if options.once:
            return
        if not job:
            time.sleep(PAUSE_SECONDS)  # a signal to stop waits for its end


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the jobs that wait at a gate of Countersign.")
    parser.add_argument("gate", help="its slug")
    parser.add_argument("--once", action="store_true", help="look once, run one job at most")
    parser.add_argument("command", nargs="+", help="what to run for each job")
    return parser.parse_args()


def stop(*_: object) -> None:
    """Finish the job in hand, then end."""
    global stopping  # noqa: PLW0603
    if stopping:
        sys.exit(1)
    stopping = True


def run(job: dict[str, Any], command: list[str]) -> None:
    task, key = job["taskId"], job["jobKey"]
    print(f"{task}: {job['title']}", flush=True)
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(json.dumps(job["input"]).encode())
        given.seek(0)
        environment = {**os.environ, "COUNTERSIGN_TASK_ID": task, "COUNTERSIGN_JOB_KEY": key}
        environment.pop("COUNTERSIGN_RUNNER_KEY")
        process = subprocess.Popen(command, stdin=given, stdout=out, stderr=err, env=environment)
        if not watch(process, task, key):
            return
        if process.returncode == 0:
            report(f"tasks/{task}/success", key, {"output": as_json(tail(out))})
        else:
            cause = tail(err, CAUSE_BYTES).decode(errors="replace").replace("\0", "")
            cause = f"Ended with {process.returncode}. {cause}".strip()
            report(f"tasks/{task}/failure", key, {"error": "JobFailed", "cause": cause})


def watch(process: subprocess.Popen[bytes], task: str, key: str) -> bool:
    """Send heartbeats until the command has ended; False if nobody waits for it any more."""
    while True:
        try:
            process.wait(HEARTBEAT_SECONDS)
            return True
        except subprocess.TimeoutExpired:
            pass
        try:
            say(f"tasks/{task}/heartbeat", key, {})
        except Refused as refused:
            print(f"{task}: {refused}, stopping it", flush=True)
            process.terminate()
            process.wait()
            return False
        except OSError as error:
            print(f"{task}: no heartbeat ({error})", flush=True)


def report(path: str, key: str, body: dict[str, Any]) -> None:
    try:
        insist(path, key, body)
    except Refused as refused:  # 409, 410: settled otherwise; 413: the output is too large
        print(f"{path}: {refused}", flush=True)


def insist(path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """`say`, again and again while Countersign can't be reached: a repeated report is harmless."""
    while True:
        try:
            return say(path, key, body)
        except OSError as error:
            print(f"{path}: {error}, trying again", flush=True)
            time.sleep(PAUSE_SECONDS)


def say(path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer, empty for 204. Raises `Refused` for 4xx, and `OSError` for what may pass."""
    request = urllib.request.Request(
        f"{os.environ['COUNTERSIGN_URL']}/api/v1/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        if error.code < 500 and error.code != 429:
            raise Refused(error.code) from None
        raise OSError(f"Countersign answered {error.code}") from None
    return json.loads(text) if text else {}


def as_json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode(errors="replace").strip()


def tail(file: IO[bytes], most: int = -1) -> bytes:
    """The end of what was written; all of it by default."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - most) if most >= 0 else 0)
    return file.read()


if __name__ == "__main__":
    main()
