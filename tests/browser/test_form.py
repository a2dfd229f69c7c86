"""A reviewer fills in a form, mends what is wrong with it, and changes what the gate lets them."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from approvals.models import ApprovalTask, Decision, Gate, Source, User
from tests.conftest import TEAM
from tests.factories import GateFactory, task_for

PHONE = {"width": 390, "height": 844}
FORM = {
    "type": "object",
    "required": ["amount", "ticket", "team"],
    "properties": {
        "amount": {"type": "number", "title": "Amount to pay back", "minimum": 1, "maximum": 200,
                   "x-default-from": "total", "description": "In EUR, shipping included."},
        "ticket": {"type": "string", "pattern": "^T-[0-9]+$", "title": "Ticket"},
        "team": {"type": "string", "enum": ["Billing", "Support"], "title": "Whose budget"},
        "reason": {"type": "string", "title": "Kind of problem",
                   "enum": ["Lost", "Broken", "Late", "Wrong", "Double", "Other"]},
        "due": {"type": "string", "format": "date", "title": "Pay back by"},
        "call": {"type": "string", "format": "date-time", "title": "Call the customer at"},
        "tell": {"type": "array", "items": {"enum": ["Customer", "Warehouse"]}, "title": "Tell"},
        "note": {"type": "string", "x-multiline": True, "title": "Note to the customer"},
        "checked": {"type": "boolean", "const": True, "title": "I have checked the account"},
    },
}  # fmt: skip
PAYLOAD = {"total": 120.5, "order": {"id": "A-4711", "note": "by courier"}}


@pytest.fixture
def task(source: Source, alice: User) -> ApprovalTask:
    gate: Gate = GateFactory(
        name="Refunds", groups=[TEAM], form=FORM, editable=["/total", "/order"], quorum=2
    )
    return task_for(gate, title="Refund order A-4711", input=PAYLOAD)


def fill(page: Page) -> None:
    page.get_by_label("Ticket").fill("T-12")
    page.get_by_role("radio", name="Support").check()
    page.get_by_role("checkbox", name="Warehouse").check()
    page.get_by_role("checkbox", name="I have checked the account").check()


def test_a_form_is_filled_in_mended_and_sent(
    task: ApprovalTask, alice: User, page: Page, live_server: Any, let_in: Any,
    complaints: list[str],
) -> None:  # fmt: skip
    let_in(page.context, alice)
    page.goto(f"{live_server.url}/tasks/{task.pk}/")
    page.keyboard.press("a")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Amount to pay back")).to_be_focused()
    expect(dialog.get_by_label("Amount to pay back")).to_have_value("120.5")
    fill(page)
    dialog.get_by_label("Ticket").fill("12")
    dialog.get_by_label("total").fill("99")
    dialog.get_by_role("button", name="Approve").click()
    summary = dialog.get_by_role("alert")
    expect(summary).to_be_focused()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    summary.get_by_role("link", name="Ticket").click()
    expect(dialog.get_by_label("Ticket")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("T-12")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(re.compile("^Approved")).first).to_be_visible()
    decision = Decision.objects.get()
    assert decision.form == {
        "amount": 120.5, "ticket": "T-12", "team": "Support", "tell": ["Warehouse"],
        "checked": True,
    }  # fmt: skip
    assert decision.edits == [{"path": "/total", "before": 120.5, "after": 99}]
    page.goto(f"{live_server.url}/tasks/{task.pk}/")
    expect(page.get_by_text("As Alice changed it on approving.")).to_be_visible()
    assert [one for one in complaints if "422" not in one] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_same_on_a_phone_without_javascript(
    task: ApprovalTask, alice: User, browser: Browser, live_server: Any, let_in: Any, theme: Any
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE, color_scheme=theme)
    let_in(context, alice)
    page = context.new_page()
    page.goto(f"{live_server.url}/tasks/{task.pk}/")
    page.get_by_role("link", name="Approve", exact=True).click()
    fill(page)
    page.get_by_label("Ticket").fill("12")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_label("Ticket").fill("T-12")
    page.get_by_label("order").fill('{"id": "A-4711", "note": "by hand"}')
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#toasts")).to_contain_text("Approved")
    assert Decision.objects.get().edits[0]["path"] == "/order/note"
    page.goto(f"{live_server.url}/tasks/{task.pk}/")
    expect(page.get_by_text("As Alice changed it on approving.")).to_be_visible()
    context.close()
