"""DEMO: `manage.py demo_executions`: the engine's own view: what runs, succeeded, failed."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo.aws_resources import NOT_REACHED, AwsResources, Execution
from demo.inputs import in_turn
from demo.seed import begin

NOT_RUNNING = "The demo isn't running. Start it in another terminal: python3 start.py"
HEADINGS = ("execution", "state machine", "status", "for", "step", "output or error")
RESULT_LENGTH = 72
MOST_AT_ONCE = 500


class Command(BaseCommand):
    help = "List the demo's executions, newest first; --start N starts N more."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--start", type=_how_many, default=0, metavar="N", help="start N more first"
        )

    def handle(self, *, start: int, **options: Any) -> None:
        try:
            aws = AwsResources()
            machines = aws.machines()
            if not machines:
                raise CommandError(NOT_RUNNING)
            for wanted in islice(in_turn(Random()), start):
                begin(aws, machines, wanted)
            executions = aws.executions()
        except NOT_REACHED as error:
            raise CommandError(f"{NOT_RUNNING}\n({error})") from None
        for line in table(executions, datetime.now(UTC)):
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
        execution.machine,
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
