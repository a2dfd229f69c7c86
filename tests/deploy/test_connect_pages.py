"""docs/connect does not fall behind: codes that callers meet, kinds, examples, parts of a page."""

import re
from pathlib import Path

import pytest

from approvals.api import refusals
from approvals.engines.registry import KINDS
from approvals.models import Gate, Source

ROOT = Path(__file__).resolve().parents[2]
CONNECT = ROOT / "docs" / "connect"
EXAMPLES = ROOT / "deploy" / "examples"
PAGES = sorted(path for path in CONNECT.glob("*.md") if path.name != "README.md")
# `CallerRefused(403, "unknown_topic"` and the short forms of it in sources.
REFUSAL = re.compile(r"""\b(?:CallerRefused|_?refused)\(\s*(?:\d{3}, |source, )?"(\w+)\"""")


def page(name: str) -> str:
    return (CONNECT / name).read_text()


def refusals_in(*paths: Path) -> set[str]:
    return {code for path in paths for code in REFUSAL.findall(path.read_text())}


def test_every_refusal_of_a_webhook_is_explained() -> None:
    intake = ROOT / "approvals" / "intake"
    files = [intake / "views.py", intake / "http.py", intake / "sources" / "credentials.py"]
    codes = refusals_in(*files)
    assert len(codes) > 8
    assert {code for code in codes if f"`{code}`" not in page("webhook.md")} == set()


def test_every_refusal_of_a_topic_is_explained() -> None:
    codes = refusals_in(*(ROOT / "approvals" / "intake" / "sources").glob("sns*.py"))
    assert len(codes) > 5
    assert {code for code in codes if f"`{code}`" not in page("sns.md")} == set()


def test_every_refusal_of_the_api_is_explained() -> None:
    codes = {word for _, word in refusals._SAID_BY_ROOMS.values()}
    codes |= {refusals.NO_KEY.error, refusals.NO_TASK.error, refusals.TOO_LARGE.error}
    assert {code for code in codes if f"`{code}`" not in page("outside-jobs.md")} == set()


def test_every_way_to_show_who_one_is_is_explained() -> None:
    shown = {auth.label for auth in Source.Auth if auth != Source.Auth.SNS}
    assert {label for label in shown if f"| {label} |" not in page("webhook.md")} == set()
    assert "signature of Amazon SNS" in page("sns.md")


def test_kinds_are_called_what_the_admin_calls_them() -> None:
    text = "\n".join(path.read_text() for path in PAGES)
    engines = [label for kind, label in KINDS if kind != "in_memory"]
    sources = [kind.label.partition(" (also")[0] for kind in Source.Kind]
    assert [label for label in (*engines, *sources) if label not in text] == []
    assert Gate.Kind.JOB.label.split(" that")[0].lower() in page("outside-jobs.md")


def test_every_example_is_linked_from_a_page() -> None:
    text = "\n".join(path.read_text() for path in CONNECT.glob("*.md"))
    files = [path for path in EXAMPLES.rglob("*") if path.is_file()]
    named = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    helpers = {"deploy/examples/cloudflow/flow.schema.json"}
    assert {name for name in named - helpers if name not in text} == set()


def test_every_page_is_in_the_table() -> None:
    assert [path.name for path in PAGES if f"]({path.name})" not in page("README.md")] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_says_what_is_needed_the_steps_and_what_goes_wrong(path: Path) -> None:
    text = path.read_text()
    assert "**You need**" in text
    assert "manage.py doctor" in text
    steps = re.search(r"^## Steps.*?(?=^## )", text, re.MULTILINE | re.DOTALL)
    assert steps
    assert 2 <= len(re.findall(r"^\d\. ", steps[0], re.MULTILINE)) <= 5
    if path.name != "webhook.md":  # its answers are the table
        assert "## What goes wrong" in text
