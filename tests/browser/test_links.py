"""From a mail to a decision on a phone; and a browser that only looks decides nothing."""

import os
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from approvals.models import Decision, User
from tests.conftest import TEAM
from tests.factories import GateFactory, task_for
from tests.notices.opened_links import DEATHS, World, open_link
from tests.notices.test_links_scanned import contents

PHONE = {"width": 390, "height": 844}
ASKED = {
    "title": "Refund 42.00 EUR for order 4711",
    "summary": "**Why**: the parcel was [lost](https://example.com/track).",
    "input": {"amount": 42.0, "customer": "Erika", "items": [{"sku": "A-1", "n": 2}]},
    "requestedBy": "dora",
    "timeoutSeconds": 7_200,
}


@pytest.fixture
def waiting(source: Any) -> Any:
    def make(user: User, **gate: Any) -> str:
        return open_link(
            task_for(GateFactory(groups=[TEAM], name="Refunds", **gate), **ASKED), user
        )

    return make


def look(page: Page, name: str) -> None:
    """Fits the phone, and axe finds nothing serious; `LOOK_AT` keeps a picture."""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    if folder := os.environ.get("LOOK_AT"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
    found: dict[str, Any] = Axe().run(page).response
    assert [
        one["id"] for one in found["violations"] if one["impact"] in ("serious", "critical")
    ] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_from_the_mail_through_the_sign_in_to_the_decision(
    theme, waiting, alice, browser: Browser, live_server
):
    page = browser.new_context(viewport=PHONE, color_scheme=theme).new_page()
    page.goto(f"{live_server.url}{waiting(alice)}?verdict=approve")
    expect(page.get_by_role("heading", name=ASKED["title"])).to_be_visible()
    look(page, f"sign-in-{theme}")
    page.get_by_role("link", name="Sign in to decide").click()
    page.get_by_label("User name or email").fill("alice")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("You decide as Alice")).to_be_visible(timeout=20_000)
    look(page, f"signed-in-{theme}")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="You have approved this")).to_be_visible(timeout=20_000)
    look(page, f"done-{theme}")
    assert Decision.objects.get().via == Decision.Via.LINK
    page.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_from_the_mail_to_the_decision_without_a_sign_in_and_without_javascript(
    theme, waiting, alice, browser: Browser, live_server
):
    context = browser.new_context(viewport=PHONE, color_scheme=theme, java_script_enabled=False)
    page = context.new_page()
    page.goto(live_server.url + waiting(alice, link_alone_minutes=30, undo_seconds=120))
    page.get_by_role("link", name="Reject").click()
    page.get_by_label("Reason").fill("The parcel has turned up.")
    if folder := os.environ.get("LOOK_AT"):
        page.screenshot(path=f"{folder}/alone-{theme}.png", full_page=True)
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("heading", name="You have rejected this")).to_be_visible(timeout=20_000)
    assert Decision.objects.get().comment == "The parcel has turned up."
    context.close()


def test_a_browser_that_opens_every_link_and_waits_changes_nothing(
    waiting, alice, browser: Browser, live_server
):
    context = browser.new_context()
    paths = [waiting(alice), waiting(alice, link_alone_minutes=30)]
    before = contents()
    pages = [context.new_page() for _ in range(2 * len(paths))]
    for number, page in enumerate(pages):
        query = ("", "?verdict=approve")[number // 2]
        page.goto(live_server.url + paths[number % 2] + query)
    pages[0].wait_for_timeout(10_000)
    assert contents() == before
    context.close()


@pytest.mark.parametrize("name", ["superseded", "handed over", "expired"])
def test_a_dead_link_leads_on(name, alice, source, browser: Browser, live_server, let_in):
    world = World(alice, is_alone=True)
    DEATHS[name][0](world)
    page = browser.new_context(viewport=PHONE).new_page()
    page.goto(live_server.url + world.path)
    expect(page.get_by_role("link", name="To the inbox")).to_be_visible()
    look(page, name.replace(" ", "-"))
    page.context.close()


def test_on_a_wide_screen_the_question_and_the_buttons_stand_side_by_side(
    waiting, alice, browser: Browser, live_server
):
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(f"{live_server.url}{waiting(alice, link_alone_minutes=30)}?verdict=approve")
    look(page, "wide")
    page.context.close()
