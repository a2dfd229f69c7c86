"""DEMO: `manage.py demo_executions`: the engine's own view: what runs, succeeded, failed."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo.aws_resources import AwsResources
from demo.engines import NOT_REACHED, executions, other_engines
from demo.execution import Execution
from demo.inputs import in_turn
from demo.policy_inputs import POLICIES
from demo.seed import begin
from demo.way_inputs import WAYS
from demo.ways import start_one

NOT_RUNNING = "The demo isn't running. Start it in another terminal: python3 start.py"
NOT_MADE = "This way in is not made: the demo is still starting, or AWS itself was given to it."
HEADINGS = ("execution", "workflow", "engine", "status", "for", "step", "output or error")
RESULT_LENGTH = 72
MOST_AT_ONCE = 500


class Command(BaseCommand):
    help = "List the demo's executions, newest first; --start, --policy and --way start more."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--start", type=_how_many, default=0, metavar="N", help="start N more first"
        )
        parser.add_argument(
            "--policy", choices=POLICIES, help="start one first that shows what a gate can do"
        )
        parser.add_argument(
            "--way", choices=WAYS, help="start one first whose message comes this way"
        )

    def handle(self, *, start: int, policy: str | None, way: str | None, **options: Any) -> None:
        try:
            aws, others = AwsResources(), other_engines()
            machines = aws.machines()
            if not machines:
                raise CommandError(NOT_RUNNING)
            for wanted in islice(in_turn(Random()), start):
                begin(aws, machines, wanted)
            if policy:
                begin(aws, machines, POLICIES[policy](Random()))
            if way:
                start_one(aws, others, way, Random())
            found = executions(aws, others)
        except NOT_REACHED as error:
            raise CommandError(f"{NOT_RUNNING}\n({error})") from None
        except KeyError:
            raise CommandError(NOT_MADE) from None
        for line in table(found, datetime.now(UTC)):
            self.stdout.write(line)


def _how_many(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MOST_AT_ONCE:
        raise ArgumentTypeError(f"a number from 0 to {MOST_AT_ONCE}, please")
    return int(text)


def table(executions: list[Execution], now: datetime) -> list[str]:
    """Aligned columns under their headings."""
    rows = [HEADINGS, *(_row(execution, now) for execution in executions)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(execution: Execution, now: datetime) -> tuple[str, ...]:
    result = " ".join(execution.result.split())
    return (
        execution.name,
        execution.workflow,
        execution.engine,
        execution.status,
        _duration(((execution.stopped_at or now) - execution.started_at).total_seconds()),
        execution.step,
        result if len(result) <= RESULT_LENGTH else f"{result[: RESULT_LENGTH - 1]}…",
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
