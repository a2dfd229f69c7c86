"""Several at once in a browser: tick with the keyboard, see what differs, decide, read what became
of each."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from approvals.models import ApprovalTask, Decision, Gate, Source
from approvals.states import TaskStatus
from tests.browser.test_for_everybody import PHONE
from tests.factories import task_for


@pytest.fixture
def tasks(gate: Gate, source: Source) -> list[ApprovalTask]:
    refunds = [
        task_for(
            gate, title=f"Refund order {4700 + n}", requestedBy="dora", timeoutSeconds=3600 * n,
            input={"amount": 12.5 * n, "currency": "EUR", "reason": "Lost in the post",
                   "customer": {"name": f"Customer {n}", "since": 2000 + n}},
        )
        for n in range(1, 5)
    ]  # fmt: skip
    return [*refunds, task_for(gate, title="Close the account of a customer", input={"id": 7})]


@pytest.fixture
def clean(page: Page) -> Any:
    """Whether axe finds nothing serious here, in both themes."""

    def check() -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.wait_for_timeout(300)
            found = Axe().run(page)
            serious = [
                (one["id"], one["nodes"][0]["html"])
                for one in found.response["violations"]
                if one["impact"] in ("serious", "critical")
            ]
            assert serious == []
        page.emulate_media(color_scheme="light")

    return check


def test_three_by_keyboard_with_their_differences(
    tasks, alice, page: Page, live_server, let_in, complaints, clean
):
    let_in(page.context, alice)
    page.goto(live_server.url)
    expect(page.get_by_text(re.compile("selected"))).to_be_hidden()
    for _ in range(3):
        page.keyboard.press("j")
        page.keyboard.press("x")
    expect(page.get_by_text("3 selected")).to_be_visible()
    clean()
    # What comes in meanwhile leaves the ticks where they are.
    task_for(tasks[0].gate, title="One more")
    expect(page.get_by_role("link", name=re.compile("One more"))).to_have_count(0)
    offer = page.get_by_role("button", name="1 new task")
    expect(offer).to_be_visible(timeout=20_000)
    offer.click()
    expect(page.get_by_role("link", name=re.compile("One more"))).to_be_visible()
    expect(page.get_by_text("3 selected")).to_be_visible()
    assert page.locator(".pick input:checked").count() == 3

    page.get_by_role("button", name="Approve…").click()
    expect(page.get_by_role("heading", name="Approve 3 tasks?")).to_be_visible()
    expect(page.get_by_role("cell", name="25")).to_be_visible()
    expect(page.get_by_text("Sum 75.0 · 12.5 to 37.5")).to_be_visible()
    clean()
    page.get_by_label(re.compile("Comment")).fill("Checked against the list")
    page.get_by_role("button", name="Approve 3").click()
    heading = page.get_by_role("heading", name="3 approved")
    expect(heading).to_be_focused()
    clean()
    assert Decision.objects.filter(via="bulk", comment="Checked against the list").count() == 3
    page.get_by_role("link", name="Back to the inbox").click()
    expect(page.get_by_role("link", name=re.compile("Refund"))).to_have_count(1)
    assert complaints == []


def test_on_a_phone_without_javascript(tasks, alice, browser, live_server, let_in):
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    let_in(context, alice)
    page.goto(live_server.url)
    for title in ("4701", "4702", "Close the account"):
        page.get_by_role("checkbox", name=re.compile(title)).check()
    page.get_by_role("button", name="Reject…").click()
    expect(page.get_by_role("heading", name="Reject 2 tasks?")).to_be_visible()
    expect(page.get_by_text("has a payload of another shape")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_label("Reason").fill("Paid back already")
    page.get_by_role("button", name="Reject 2").click()
    expect(page.get_by_role("heading", name="2 rejected")).to_be_visible()
    assert ApprovalTask.objects.filter(status=TaskStatus.REJECTED).count() == 2
    context.close()


def test_all_of_it_is_taken_back_on_a_phone_without_javascript(
    tasks, alice, browser, live_server, let_in
):
    Gate.objects.update(undo_seconds=120)
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    let_in(context, alice)
    picked = "&".join(f"task={task.pk}" for task in tasks[:3])
    page.goto(f"{live_server.url}/tasks/several/?verdict=approve&{picked}")
    page.get_by_role("button", name="Approve 3").click()
    expect(page.get_by_role("button", name="Undo: Refund")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Undo all 3").click()
    expect(page.get_by_role("heading", name="3 taken back")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert not ApprovalTask.objects.exclude(settles_at=None).exists()
    context.close()
