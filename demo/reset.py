"""START-UP: `start.py reset`: stop the demo, remove its data. Standard library only."""

import os
import shutil
import signal
import sys
import time

from demo.leftovers import stop_leftovers
from demo.lock import AlreadyRunning, demo_lock
from demo.paths import LOCAL, run_folder_path

STOP_WITHIN = 40  # seconds: longer than the demo gives its own processes


def main() -> int:
    if not LOCAL.exists():
        print("Nothing to reset: the demo has no data.")
        return 0
    try:
        _stop_running_demo()
        stop_leftovers(LOCAL / "aws", "moto.server")
        stop_leftovers(LOCAL / "ministack", "ministack")
        stop_leftovers(LOCAL / "alibaba", "demo.alibaba")
        stop_leftovers(LOCAL / "http-flows", "demo.http_flows")
        stop_leftovers(LOCAL / "valkey", "valkey-server")
        stop_leftovers(LOCAL / "postgres", "postgres", signal.SIGINT)
        shutil.rmtree(run_folder_path(), ignore_errors=True)
        shutil.rmtree(LOCAL)
    except (OSError, AlreadyRunning) as error:
        print(f"start.py reset: {error}", file=sys.stderr)
        return 1
    print("The demo's data is gone; `start.py` begins anew.")
    return 0


def _stop_running_demo() -> None:
    """The holder of the lock is a running demo for certain, so its pid may be trusted."""
    until = time.monotonic() + STOP_WITHIN
    asked = 0
    while True:
        try:
            with demo_lock():
                return
        except AlreadyRunning as running:
            if time.monotonic() > until:
                raise
            if running.holder.pid and running.holder.pid != asked:
                asked = running.holder.pid
                print(f"Stopping the demo at {running.holder.address} …")
                os.kill(asked, signal.SIGTERM)
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
