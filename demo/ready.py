"""START-UP: what waits until the demo answers: the word to people, and processes that call it.

`python -m demo.ready ARGUMENT …` becomes `python ARGUMENT …` then, so that what is slow to load
does not take the first page's time.
"""

import http.client
import os
import sys
import time
from http import HTTPStatus
from importlib import import_module
from importlib.util import find_spec
from urllib.parse import urlsplit

READY_WITHIN = 30  # seconds


def announce(host: str, port: int, address: str) -> None:
    """Wait for the web process and print the block that a newcomer looks for."""
    if _answers_within(READY_WITHIN, host, port):
        print(_framed(_welcome(address)), flush=True)
    else:
        print(f"Not ready after {READY_WITHIN} s: see the lines above. Ctrl-C stops.", flush=True)


def _answers_within(seconds: float, host: str, port: int) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if _answers(host, port):
            return True
        time.sleep(0.1)
    return False


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/health/ready", headers={"Host": f"127.0.0.1:{port}"})
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _welcome(address: str) -> list[str]:
    people = _people()
    name, password = (max((len(row[i]) for row in people), default=0) for i in (0, 1))
    return [
        f"Countersign is ready:  {address}",
        "",
        *(f"{row[0]:<{name}}  {row[1]:<{password}}  {row[2]}" for row in people),
        *([""] if people else []),
        f"The mails they get:    {address}/demo/mails/",
        "See the executions:    python3 start.py manage demo_executions",
        "Start three more:      python3 start.py manage demo_executions --start 3",
        "Start one that comes by EventBridge, SNS, a job …:  … demo_executions --way eventbridge",
        "Start one for what a gate can ask (form, stages …): … demo_executions --policy form",
        "Stop:                  Ctrl-C      Begin anew:  python3 start.py reset",
    ]


def _people() -> list[tuple[str, str, str]]:
    """(user name, password, what they can do), as the seed makes them."""
    return list(import_module("demo.people").PEOPLE) if find_spec("demo.people") else []


def _framed(lines: list[str]) -> str:
    inner = max(map(len, lines)) + 4
    edge = "─" * inner
    body = [f"│  {line:<{inner - 2}}│" for line in lines]
    return "\n".join(["", f"╭{edge}╮", *body, f"╰{edge}╯", ""])


def main() -> None:
    site = urlsplit(os.environ["SITE_URL"])
    while not _answers_within(READY_WITHIN, site.hostname or "", site.port or 80):
        print("Still waiting for the web process.", flush=True)
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])


if __name__ == "__main__":
    main()
