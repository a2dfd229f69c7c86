"""The reference for heartbeats: boto3 in a loop and nothing else. A process of its own.

Started with the address and the token; reads `COUNT THREADS` lines, answers each with its CPU
(user and system) and wall-clock seconds. Its client has the product's own configuration.
"""

import sys
import threading
import time
from collections.abc import Callable

import boto3

from approvals.engines.step_functions import CLIENT


def main(url: str, token: str) -> None:
    client = boto3.Session().client("stepfunctions", endpoint_url=url, config=CLIENT)
    send = client.send_task_heartbeat
    for line in sys.stdin:
        count, threads = map(int, line.split())
        cpu, wall = time.process_time(), time.perf_counter()
        _run(lambda times: _loop(send, token, times), count, threads)
        print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)


def _loop(send: Callable[..., object], token: str, times: int) -> None:
    for _ in range(times):
        send(taskToken=token)


def _run(loop: Callable[[int], None], count: int, threads: int) -> None:
    if threads == 1:
        loop(count)
        return
    share = [count // threads + (number < count % threads) for number in range(threads)]
    running = [threading.Thread(target=loop, args=(times,)) for times in share]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
