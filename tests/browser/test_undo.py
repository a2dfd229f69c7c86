"""A decision is taken back: from the word that follows it, from the task's page, too late."""

import os
import re

from django.db.models.functions import Now
from playwright.sync_api import Page, expect

from approvals.decisions.decide import decide
from approvals.decisions.undo import make_final_due
from approvals.models import ApprovalTask, Decision
from approvals.states import Verdict
from tests.conftest import TEAM, person
from tests.factories import GateFactory, task_for

SHOTS = os.environ.get("SHOTS", "")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")


def test_undo_in_the_browser_at_once_later_and_too_late(
    page: Page, live_server, let_in, alice, bob, complaints
):
    gate = GateFactory(
        groups=[TEAM], undo_seconds=60, decide_within_minutes=120, at_deadline="reject"
    )
    task = task_for(gate, title="Refund 120 €")
    let_in(page.context, alice)
    page.goto(f"{live_server.url}/tasks/{task.pk}/")
    shot(page, "before")
    page.get_by_role("link", name="Approve", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()

    said = page.locator(".toast")
    expect(said).to_contain_text(re.compile(r"The workflow hears of it at \d\d:\d\d:\d\d"))
    shot(page, "toast")
    said.get_by_role("button", name="Undo").click()

    expect(page.get_by_text("Taken back.")).to_be_visible()
    expect(page.get_by_role("link", name="Approve", exact=True)).to_be_visible()
    assert ApprovalTask.objects.get().settles_at is None

    decide(task.pk, person(alice), Verdict.REJECT, comment="No", via=Decision.Via.INBOX)
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible(timeout=20_000)  # the page has noticed by itself
    expect(page.get_by_text("Rejected, can be undone")).to_be_visible()
    shot(page, "held-light")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    shot(page, "held-dark-390")
    undo.click()
    expect(page.get_by_text("Taken back.")).to_be_visible()

    decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
    expect(undo).to_be_visible(timeout=20_000)
    page.route("**/tasks/*/?v=*", lambda route: route.abort())  # the page knows no better
    ApprovalTask.objects.update(settles_at=Now())
    make_final_due()
    assert complaints == []
    undo.click()
    expect(page.get_by_text("Too late to undo: Alice has already approved this.")).to_be_visible()
    shot(page, "late-dark-390")


def test_undo_works_without_javascript(browser, live_server, let_in, alice):
    gate = GateFactory(groups=[TEAM], undo_seconds=60)
    task = task_for(gate, title="Refund 120 €")
    context = browser.new_context(java_script_enabled=False)
    let_in(context, alice)
    page = context.new_page()
    page.goto(f"{live_server.url}/tasks/{task.pk}/")
    page.get_by_role("link", name="Approve", exact=True).click()
    page.get_by_role("button", name="Approve").click()
    shot(page, "no-js")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back.")).to_be_visible()
    assert ApprovalTask.objects.get().settles_at is None
    context.close()
