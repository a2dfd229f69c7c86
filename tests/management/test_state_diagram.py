"""`state_diagram`: the documentation shows the table that PostgreSQL enforces."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from approvals.management.commands import state_diagram
from approvals.states import CALLBACK_TRANSITIONS, TASK_TRANSITIONS


def test_docs_states_is_up_to_date() -> None:
    call_command("state_diagram", "--check")


def test_every_transition_is_drawn() -> None:
    text = state_diagram.render()
    for table in (TASK_TRANSITIONS, CALLBACK_TRANSITIONS):
        for before, targets in table.items():
            for after, why in targets.items():
                assert f"    {before} --> {after}: {why}\n" in text
    assert "approved --> [*]" in text
    assert "dead --> [*]" not in text  # an operator can replay it


def test_a_page_out_of_date_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "states.md"
    monkeypatch.setattr(state_diagram, "DOCUMENT", page)
    with pytest.raises(CommandError, match="out of date"):
        call_command("state_diagram", "--check")
    call_command("state_diagram", "--write", str(page))
    call_command("state_diagram", "--check")
    out = StringIO()
    call_command("state_diagram", stdout=out)
    assert out.getvalue() == page.read_text()
