"""Documentation: `manage.py state_diagram` draws the tables of approvals/states.py.

Reads nothing but those tables; writes only the file that it is told to.
"""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import TextChoices

from approvals.states import CALLBACK_TRANSITIONS, TASK_TRANSITIONS, CallbackStatus, TaskStatus

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "states.md"
HEAD = """\
# States

Two lifecycles, never mixed: a task is settled by people, and its callback tells the engine.
“Approved, and the engine has not heard yet” is a state that people can see.

This page is made from `approvals/states.py` by `manage.py state_diagram --write docs/states.md`;
PostgreSQL itself refuses every other transition.
"""


class Command(BaseCommand):
    help = "Print the state diagrams as Markdown with Mermaid; --write a file, or --check docs/."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        either = parser.add_mutually_exclusive_group()
        either.add_argument("--write", type=Path, metavar="FILE", help="write it to FILE")
        either.add_argument(
            "--check", action="store_true", help="fail where docs/states.md is out of date"
        )

    def handle(self, *, write: Path | None, check: bool, **options: Any) -> None:
        text = render()
        if check:
            if not DOCUMENT.is_file() or DOCUMENT.read_text() != text:
                raise CommandError(
                    "docs/states.md is out of date: manage.py state_diagram --write docs/states.md"
                )
        elif write:
            write.write_text(text)
        else:
            self.stdout.write(text, ending="")


def render() -> str:
    return "\n".join(
        [
            HEAD,
            *_section("The task", TaskStatus, TASK_TRANSITIONS),
            "",
            *_section("The callback", CallbackStatus, CALLBACK_TRANSITIONS),
            "",
        ]
    )


def _section(
    title: str, statuses: type[TextChoices], transitions: Mapping[Any, Mapping[Any, str]]
) -> list[str]:
    first = next(iter(statuses))
    return [
        f"## {title}",
        "",
        statuses.__doc__ or "",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {first}",
        *(
            f"    {before} --> {after}: {why}"
            for before, targets in transitions.items()
            for after, why in targets.items()
        ),
        *(f"    {status} --> [*]" for status in statuses if status not in transitions),
        "```",
    ]
