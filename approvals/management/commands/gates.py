"""POLICY: `manage.py gates` writes gates to a file that can live in version control, and makes them
as such a file says."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from approvals.errors import BadDocument
from approvals.gates import document
from approvals.gates.apply import Change, apply, export
from approvals.gates.warnings import warnings_of
from approvals.models import Gate


class Command(BaseCommand):
    help = "Gates as a document (docs/gates.md): export them, or make them as a file says."

    def add_arguments(self, parser: ArgumentParser) -> None:
        ways = parser.add_subparsers(dest="way", required=True)
        out = ways.add_parser("export", help="Write gates as YAML, without what is by default.")
        out.add_argument("slug", nargs="*", help="of a gate (default: all)")
        back = ways.add_parser("apply", help="Make gates as the file says; others stay.")
        back.add_argument("file", help="a YAML file, or - for standard input")
        back.add_argument(
            "--check", action="store_true", help="change nothing; end with 1 if something would"
        )
        back.add_argument("--create-teams", action="store_true", help="make teams that are missing")

    def handle(self, *, way: str, **options: Any) -> None:
        try:
            if way == "export":
                self.stdout.write(document.write(export(options["slug"])), ending="")
            else:
                self._apply(options["file"], options["check"], options["create_teams"])
        except BadDocument as error:
            raise CommandError("\n".join(["Nothing was changed.", *error.problems])) from None

    def _apply(self, file: str, is_check: bool, creates_teams: bool) -> None:
        said = document.read(_text_of(file))
        with transaction.atomic():
            changes = apply(
                said,
                by="manage.py gates apply",
                creates_teams=creates_teams,
                file=Path(file).name,
            )
            self._tell(changes)
            for gate in Gate.objects.filter(slug__in=said.gates):
                for warning in warnings_of(gate):
                    self.stderr.write(self.style.WARNING(warning))
            transaction.set_rollback(is_check)
        if is_check and changes:
            raise CommandError("This is what would change. Nothing was.")

    def _tell(self, changes: list[Change]) -> None:
        for change in changes:
            verb = "is new" if change.is_new else "changes"
            self.stdout.write(f"{change.noun} {change.name} {verb}")
            for key, (before, after) in change.keys.items():
                said = _short(after) if change.is_new else f"{_short(before)} → {_short(after)}"
                self.stdout.write(f"  {key}: {said}")
        if not changes:
            self.stdout.write("Everything is as the file says.")


def _text_of(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"“{file}” can't be read: {error}") from None


def _short(value: Any) -> str:
    """On one line; what is not said is as by default."""
    if value is None:
        return "(default)"
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")
