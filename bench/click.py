"""from a click on Approve to SendTaskSuccess, beside boto3 called inside the request

All processes are real: gunicorn with its configuration, the callbacks worker, the heartbeat worker
at its usual rate, beat, Valkey, PostgreSQL. A signed-in browser posts the decision form. Measured
are the time from there until the fake AWS has the call, and the time of the HTTP answer. The
reference is a second gunicorn with the same pages and the same decision, which calls boto3 before
it answers. Click by click in turns, in blocks: idle, then while 8,000 heartbeats are due.
"""

import argparse
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from bench import people, processes, rows
from bench.browser import Browser, Posted
from bench.fake_aws import FakeAws, fake_aws
from bench.report import Line, median, percentile, table
from bench.setting import setting

HEARTBEATS = 8000
HOUR = 3600
WARM = 20  # clicks of each kind that do not count
BLOCK = 50  # pairs of clicks before idle and busy change places
PAUSE = (0.01, 0.03)  # seconds between two clicks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clicks", type=int, default=400, help="of each kind (400)")
    parser.add_argument("--heartbeats", type=int, default=HEARTBEATS, help="due at once (8000)")


@dataclass(slots=True)
class Times:
    """Milliseconds, of one kind of clicks."""

    received: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Clicker:
    fake: FakeAws
    browsers: dict[str, Browser]  # product and inline
    tasks: Iterator[tuple[UUID, str]]  # id and token

    def click(self, kind: str, times: Times) -> None:
        task_id, token = next(self.tasks)
        time.sleep(random.uniform(*PAUSE))
        posted = self.browsers[kind].approve(task_id)
        times.answered.append(posted.answer_ms)
        times.received.append(self._received(token, posted))

    def _received(self, token: str, posted: Posted) -> float:
        at: list[int] = []

        def has_come() -> bool:
            at.extend(self.fake.received(token))
            return bool(at)

        time.sleep(0.005)
        processes.wait_for(has_come, seconds=30, pause=0.005)
        assert len(at) == 1, "each answer is sent once"
        return (at[0] - posted.sent_at) / 1e6


def run(options: argparse.Namespace) -> None:
    with setting() as place, fake_aws(place) as fake:
        reviewer = people.make_reviewer("rita")
        source = rows.make_source("clicks", fake.url, probe_seconds=HOUR)
        many = rows.make_source("heartbeats", fake.url)
        rows.make_tasks(rows.make_gate("elsewhere"), many, options.heartbeats)
        rows.make_heartbeats(many, every=HOUR)
        gate = rows.make_gate("refunds", reviewer)
        tasks = rows.accept_tasks(gate, source, 4 * options.clicks + 2 * WARM)
        rows.make_due(source.connection_id, now=False)
        rows.analyze()
        session = people.sign_in(reviewer)
        with (
            processes.callbacks_worker(place) as worker,
            processes.heartbeat_worker(place) as heartbeats,
            processes.beat(place),
            processes.web(place, "web", "config.wsgi") as web,
            processes.web(place, "inline", "bench.inline") as inline,
        ):
            browsers = {"product": Browser(web, session), "inline": Browser(inline, session)}
            processes.wait_until_idle(worker, heartbeats)
            clicker = Clicker(fake, browsers, iter(tasks))
            times = _blocks(clicker, options.clicks, many.connection_id)
    title = f"Click to SendTaskSuccess: {options.clicks} clicks of each kind, in turns"
    notes = [
        "Reference: boto3 inside the request; of the lines with heartbeats due: the product idle."
    ]
    print(table(title, _lines(times, options.heartbeats), notes))


def _blocks(clicker: Clicker, clicks: int, connection_id: int) -> dict[tuple[str, bool], Times]:
    times: defaultdict[tuple[str, bool], Times] = defaultdict(Times)
    for kind in ("product", "inline") * WARM:
        clicker.click(kind, Times())  # warm: imports, clients, connections
    for done in range(0, clicks, BLOCK):
        for busy in (False, True):
            rows.make_due(connection_id, now=busy)
            time.sleep(1.5)  # a batch in hand is finished, or the first one claimed
            for number in range(min(BLOCK, clicks - done)):
                pair = ("product", "inline") if number % 2 else ("inline", "product")
                for kind in pair:
                    clicker.click(kind, times[kind, busy])
    return times


def _lines(times: dict[tuple[str, bool], Times], heartbeats: int) -> list[Line]:
    idle, inline = times["product", False], times["inline", False]
    busy, inline_busy = times["product", True], times["inline", True]

    def p99(values: list[float]) -> float:
        return percentile(values, 0.99)

    return [
        Line("received, p50", median(idle.received), " ms", median(inline.received), at_most=1.5),
        Line("received, p99", p99(idle.received), " ms", p99(inline.received), at_most=1.6),
        Line("HTTP answer, p50", median(idle.answered), " ms", median(inline.answered),
             at_most=0.95),
        Line(f"received, p50, {heartbeats} heartbeats due", median(busy.received), " ms",
             median(idle.received)),
        Line(f"received, p99, {heartbeats} heartbeats due", p99(busy.received), " ms",
             p99(idle.received), at_most=1.5),
        Line("boto3 inside the request, p99, the same", p99(inline_busy.received), " ms",
             p99(inline.received)),
    ]  # fmt: skip
