"""The two that send heartbeats in turns: the product's own processes and a bare boto3 loop."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench import rows
from bench.fake_aws import HEARTBEAT, FakeAws
from bench.processes import cpu_seconds, wait_for, wait_until_idle
from bench.setting import Setting
from demo.paths import ROOT
from demo.processes import Service

EVERY = 600.0  # seconds: none is due again before the run ends


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one round, in seconds: CPU of the sender, from the first to the last, PostgreSQL's CPU."""

    cpu: float
    wall: float
    database: float = 0.0


@dataclass(frozen=True)
class Product:
    """The worker and beat, and the rows that belong to one fake AWS."""

    place: Setting
    ours: tuple[Service, ...]
    fake: FakeAws
    connection_id: int
    count: int

    def send(self) -> Cost:
        """Make all due; return when the worker has sent them and written so."""
        database = self.place.database.service
        wait_until_idle(*self.ours)
        before = self.fake.count(HEARTBEAT)
        cpu, cpu_database = cpu_seconds(*self.ours), cpu_seconds(database)
        rows.make_due(self.connection_id, now=True)
        wait_for(lambda: rows.all_sent(self.connection_id, EVERY / 2), seconds=120)
        cost = cpu_seconds(*self.ours) - cpu
        assert self.fake.count(HEARTBEAT) - before == self.count, "each is sent exactly once"
        at = self.fake.received(rows.TOKEN)[-self.count :]
        return Cost(cost, (at[-1] - at[0]) / 1e9, cpu_seconds(database) - cpu_database)


def make_product(place: Setting, ours: tuple[Service, ...], fake: FakeAws, count: int) -> Product:
    source = rows.make_source(f"fake {fake.port}", fake.url)
    rows.make_tasks(rows.make_gate(f"gate-{fake.port}"), source, count)
    rows.make_heartbeats(source, EVERY)
    rows.analyze()
    return Product(place, ours, fake, source.connection_id, count)


class BareLoop:
    """The process of `bench.bare_loop`."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def send(self, count: int, threads: int) -> Cost:
        assert self._child.stdin
        assert self._child.stdout
        print(count, threads, file=self._child.stdin, flush=True)
        cpu, wall = map(float, self._child.stdout.readline().split())
        return Cost(cpu, wall)


@contextmanager
def bare_loop(place: Setting, fake: FakeAws) -> Iterator[BareLoop]:
    with subprocess.Popen(
        [sys.executable, "-m", "bench.bare_loop", fake.url, rows.TOKEN],
        cwd=ROOT,
        env=place.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield BareLoop(child)
        finally:
            child.kill()
