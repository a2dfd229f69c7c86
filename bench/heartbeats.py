"""what heartbeats cost and how many one process sends, beside a bare boto3 loop

The product's part is real: beat, and the heartbeat worker with its thread pool, its claims and its
writes; all heartbeats become due at once. CPU is the user and system time of these two processes,
beat's ticks included, from then until the last result is written; PostgreSQL's is on a line of its
own. The reference is a process that calls `send_task_heartbeat` in a loop: by one thread, and by as
many threads as the worker has; its client has the same configuration and the same fake AWS. The
product's rate limit is lifted. "10 ms" is how long the fake takes to answer.
"""

import argparse
from collections.abc import Callable, Sequence

from bench import processes
from bench.fake_aws import fake_aws
from bench.report import Line, median, median_ratio, table
from bench.senders import BareLoop, Cost, Product, bare_loop, make_product
from bench.setting import setting

THREADS = 16  # the product's default
UNLIMITED = {"HEARTBEATS_PER_SECOND": "1000000", "HEARTBEAT_THREADS": str(THREADS)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=4000, help="heartbeats a round (4000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; at 10 ms at most 3 (5)")


def run(options: argparse.Namespace) -> None:
    with (
        setting(**UNLIMITED) as place,
        fake_aws(place) as quick,
        fake_aws(place, latency_ms=10) as slow,
        processes.heartbeat_worker(place) as worker,
        processes.beat(place) as beat,
    ):
        ours = (worker, beat)
        with bare_loop(place, quick) as bare:
            product = make_product(place, ours, quick, options.count)
            lines = _cpu(product, bare, options.rounds)
        with bare_loop(place, slow) as bare:
            product = make_product(place, ours, slow, options.count)
            lines.append(_throughput(product, bare, min(3, options.rounds)))
    title = f"Heartbeats: {options.count} due at once, {options.rounds} rounds in turns"
    notes = ["CPU a heartbeat, of worker and beat together. Medians; a ratio is that of pairs."]
    print(table(title, lines, notes))


def _cpu(product: Product, bare: BareLoop, rounds: int) -> list[Line]:
    """CPU a heartbeat, in turns: one thread, the product, several threads."""
    count = product.count
    product.send()  # warm: imports, clients, connections
    bare.send(count, THREADS)
    ours: list[Cost] = []
    single: list[Cost] = []
    several: list[Cost] = []
    for _ in range(rounds):
        single.append(bare.send(count, 1))
        ours.append(product.send())
        several.append(bare.send(count, THREADS))

    def line(figure: str, reference: list[Cost], at_most: float) -> Line:
        pairs = [(a.cpu, b.cpu) for a, b in zip(ours, reference, strict=True)]
        return Line(
            figure, each(ours, _of_process), " µs", each(reference, _of_process),
            ratio=median_ratio(pairs), at_most=at_most,
        )  # fmt: skip

    def each(costs: Sequence[Cost], of: Callable[[Cost], float]) -> float:
        return median(of(cost) for cost in costs) / count * 1e6

    return [
        line(f"CPU beside a loop with {THREADS} threads", several, 1.25),
        line("CPU beside a loop with one thread", single, 1.25),
        Line("PostgreSQL's CPU", each(ours, lambda cost: cost.database), " µs"),
        _rate("sent, AWS in 0 ms", count, ours, several),
    ]


def _throughput(product: Product, bare: BareLoop, rounds: int) -> Line:
    product.send()
    pairs = [(product.send(), bare.send(product.count, THREADS)) for _ in range(rounds)]
    ours, reference = zip(*pairs, strict=True)
    return _rate("sent, AWS in 10 ms", product.count, ours, reference, at_least=500)


def _rate(
    figure: str,
    count: int,
    ours: Sequence[Cost],
    reference: Sequence[Cost],
    at_least: float | None = None,
) -> Line:
    mine, theirs = (median(count / cost.wall for cost in costs) for costs in (ours, reference))
    return Line(figure, mine, "/s", theirs, at_least=at_least)


def _of_process(cost: Cost) -> float:
    return cost.cpu
