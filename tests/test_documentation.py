"""The documentation does not fall behind the code: settings, codes, links."""

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from config.celery import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "THIRD_PARTY.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
    ]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
FILE_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:py|md|json|yaml|toml|txt)|Dockerfile")


def test_every_setting_is_in_the_table_and_nothing_else_is() -> None:
    settings = _given("config/env.py", "env") | _given("config/gunicorn.py", "os.environ")
    assert _first_column("docs/settings.md") == settings | {"ENV_FILE"}


def test_every_reason_for_quarantine_is_documented() -> None:
    codes = {
        call.args[0].value
        for path in (ROOT / "approvals").rglob("*.py")
        if path.parent.name != "api"  # what it refuses is not held
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) == "MessageNotUnderstood"
        and isinstance(call.args[0], ast.Constant)
    }
    assert codes
    documented = (ROOT / "docs/messages.md").read_text().partition("## Quarantine")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", documented, re.MULTILINE)) == codes


def test_every_job_of_beat_is_in_the_flow_with_its_queue_and_times() -> None:
    flow = (ROOT / "docs/flow.md").read_text()
    said = re.findall(
        r"^\| `(\w+)` \| `(\w+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", flow, re.MULTILINE
    )
    jobs = {
        (name, _queue_of(one["task"]), _span(one["schedule"]), _span(2 * one["schedule"]))
        for name, one in app.conf.beat_schedule.items()
    }
    assert set(said) == jobs


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    broken = [
        target
        for target in LINK.findall(FENCE.sub("", document.read_text()))
        if not target.startswith(("https://", "http://")) and not _leads_somewhere(document, target)
    ]
    assert broken == []


def test_every_file_that_the_readme_names_exists() -> None:
    text = (ROOT / "README.md").read_text()
    named = {name for code in re.findall(r"`([^`\n]+)`", text) for name in FILE_NAME.findall(code)}
    commands = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    named |= {name for block in commands for name in FILE_NAME.findall(block)}
    assert {"start.py", "manage.py"} <= named
    missing = [name for name in named if not ((ROOT / name).exists() or _beside(name))]
    assert missing == []


def _queue_of(job: str) -> str:
    return str(app.amqp.router.route({}, job)["queue"].name)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 3600 else f"{seconds / 3600:.0f} h"


def _given(module: str, reader: str) -> set[str]:
    """Names of the environment that `module` reads: `env.str("NAME", …)`, `os.environ.get(…)`."""
    return {
        call.args[0].value
        for call in ast.walk(ast.parse((ROOT / module).read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) == reader
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


def _first_column(page: str) -> set[str]:
    return set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / page).read_text(), re.MULTILINE))


def _leads_somewhere(document: Path, target: str) -> bool:
    path, _, fragment = unquote(target).partition("#")
    goal = (document.parent / path).resolve() if path else document
    if not goal.exists():
        return False
    return not fragment or fragment in _anchors(goal)


def _anchors(document: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _beside(name: str) -> bool:
    """Where a command runs in `deploy/`."""
    return (ROOT / "deploy" / name).exists()
