"""DEMO: the runner of a cluster: claims the jobs of one gate and reports how they go.

`python -m demo.runner GATE`, with COUNTERSIGN_URL and COUNTERSIGN_RUNNER_KEY. It computes nothing,
takes about three minutes for that, and ends at once when it is stopped; the one to copy is
deploy/examples/outside-job/runner.py. Standard library only.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

LOOK_EVERY, SAY_EVERY = 3.0, 4.0  # seconds
PERCENT_EACH = 2
STAGES = (
    (0, "Reading partitions"),
    (30, "Joining orders and refunds"),
    (65, "Adding up per country"),
    (90, "Writing the report"),
)
ROWS = 48_312
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main() -> None:
    gate, key = sys.argv[1], os.environ["COUNTERSIGN_RUNNER_KEY"]
    while True:
        try:
            job = say(f"gates/{gate}/claim", key, {"runner": "cellar-cluster"})
            if job:
                print(f"took {job['title']}", flush=True)
                run(job)
        except OSError as error:  # its status at most: 410 where nobody waits any more
            print(f"{error}", flush=True)
        time.sleep(LOOK_EVERY)


def run(job: dict[str, Any]) -> None:
    path, key = f"tasks/{job['taskId']}", job["jobKey"]
    partitions = job["input"]["partitions"]
    for percent in range(0, 100, PERCENT_EACH):
        stage = [name for since, name in STAGES if percent >= since][-1]
        done = partitions * percent // 100
        note = f"{stage}, {done} of {partitions} partitions"
        say(f"{path}/progress", key, {"percent": percent, "note": note})
        time.sleep(SAY_EVERY)
    say(f"{path}/success", key, {"output": {"rows": ROWS, "day": job["input"]["day"]}})
    print(f"finished {job['title']}", flush=True)


def say(path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer, empty for 204. Raises `OSError` for anything but a success."""
    request = urllib.request.Request(
        f"{os.environ['COUNTERSIGN_URL']}/api/v1/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    with _DIRECT.open(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else {}


if __name__ == "__main__":
    main()
