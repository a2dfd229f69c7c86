"""OPERATIONS: `manage.py doctor` says what is wrong with a source or a connection, and what to
mend."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from approvals.findings import Finding, Level
from approvals.models import Connection, Source
from approvals.operations.examine import (
    examine_connection,
    examine_installation,
    examine_source,
)

MARKS = {Level.OK: "ok  ", Level.WARNING: "warn", Level.BAD: "BAD "}


class Command(BaseCommand):
    help = (
        "Check the installation, then each source and connection, or those named: credentials, "
        "permissions, the queue or address, and a test message that is not kept. "
        "Ends with 1 if something is bad."
    )
    requires_system_checks = ()  # they are findings

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="*", help="of a source or a connection (default: all)")

    def handle(self, *, name: list[str], **options: Any) -> None:
        seen: Counter[Level] = Counter()
        if not name:
            seen += self._tell("This installation", examine_installation())
        for heading, findings in _examined(name):
            seen += self._tell(heading, findings)
        if seen[Level.BAD]:
            raise CommandError(f"{seen[Level.BAD]} bad: see the lines marked BAD.")
        warned = seen[Level.WARNING]
        self.stdout.write(f"Nothing is bad; {warned or 'no'} warning{'' if warned == 1 else 's'}.")

    def _tell(self, heading: str, findings: Iterable[Finding]) -> "Counter[Level]":
        """Print as they come, since some take seconds; how many there are of each level."""
        self.stdout.write(heading)
        styles = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.BAD: self.style.ERROR,
        }
        seen: Counter[Level] = Counter()
        for finding in findings:
            seen[finding.level] += 1
            self.stdout.write(f"  {styles[finding.level](MARKS[finding.level])}  {finding.what}")
            if finding.mend and finding.level is not Level.OK:
                self.stdout.write(f"        → {finding.mend}")
            self.stdout.flush()
        self.stdout.write("")
        return seen


def _examined(names: list[str]) -> Iterator[tuple[str, Iterator[Finding]]]:
    """What is to be examined: everything, or what bears one of `names`."""
    rows: list[Connection | Source] = [
        *Connection.objects.all(),
        *Source.objects.select_related("connection", "gate"),
    ]
    for name in names:
        if not any(row.name == name for row in rows):
            there = ", ".join(sorted({f"“{row.name}”" for row in rows})) or "nothing yet"
            raise CommandError(f"There is no “{name}”. There is: {there}.")
    for row in rows:
        if not names or row.name in names:
            yield _heading(row), _findings(row)


def _heading(row: Connection | Source) -> str:
    return f"{type(row).__name__} “{row}”: {row.get_kind_display()}"


def _findings(row: Connection | Source) -> Iterator[Finding]:
    return examine_source(row) if isinstance(row, Source) else examine_connection(row)
