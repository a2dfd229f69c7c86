"""Colleagues at one task, in their browsers: on it, handed over, asked; by keyboard and phone."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from approvals.models import ApprovalTask, Gate, Question, User
from tests.browser.test_for_everybody import PHONE
from tests.conftest import TEAM
from tests.factories import GateFactory, UserFactory, task_for


@pytest.fixture
def task(alice: User, bob: User) -> ApprovalTask:
    gate = GateFactory(name="Refunds", groups=[TEAM], hand_over=Gate.HandOver.ANYBODY)
    return task_for(gate, title="Refund order 4711", timeoutSeconds=3600, requestedBy="dora")


def look(page: Page, name: str) -> None:
    """In both themes: nothing serious for axe; kept where somebody wants to look."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.wait_for_timeout(300)
        found = Axe().run(page).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], [n["html"] for n in one["nodes"]]) for one in serious] == [], name
        if folder := os.environ.get("LOOK_AT"):
            page.screenshot(path=Path(folder) / f"{name}-{theme}.png", full_page=True)


def test_a_task_goes_from_hand_to_hand(
    task: ApprovalTask, alice: User, bob: User, charlie: User, browser: Browser,
    page: Page, live_server: Any, let_in: Any, complaints: list[str],
) -> None:  # fmt: skip
    """By keyboard: Alice is on it, asks Charlie, hands it to Bob; Bob decides in her place."""
    url = f"{live_server.url}/tasks/{task.pk}/"
    let_in(page.context, alice)
    page.goto(url)
    page.keyboard.press("c")
    expect(page.get_by_text(re.compile("You are on it since")).first).to_be_visible(timeout=20_000)
    page.keyboard.press("q")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("To whom")).to_be_focused()
    dialog.get_by_label("To whom").select_option(label="Charlie (charlie)")
    dialog.get_by_label("Question").fill("Was the parcel really lost?")
    look(page, "ask")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("No answer yet.")).to_be_visible()

    asked = browser.new_context(viewport=PHONE)
    let_in(asked, charlie)
    theirs = asked.new_page()
    theirs.goto(live_server.url)
    look(theirs, "asked-phone")
    theirs.get_by_role("link", name=re.compile("Alice asks you about")).click()
    theirs.get_by_role("link", name="Answer").click()
    dialog = theirs.get_by_role("dialog")
    dialog.get_by_label("Your answer").fill("Yes, the carrier said so.")
    dialog.get_by_role("button", name="Answer").click()
    expect(theirs.get_by_text("Yes, the carrier said so.").first).to_be_visible()
    look(theirs, "answered-phone")
    asked.close()

    page.keyboard.press("h")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("To whom").select_option(label="Bob (bob)")
    dialog.get_by_label("Note").fill("You know the customer.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("You handed this to Bob.").first).to_be_visible()
    look(page, "handed")

    bobs = browser.new_context(viewport=PHONE)
    let_in(bobs, bob)
    other = bobs.new_page()
    other.goto(url)
    expect(other.locator("#task").get_by_text("You are on it since")).to_be_visible()
    look(other, "mine-phone")
    other.get_by_role("link", name="Approve", exact=True).click()
    other.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(other.get_by_text(re.compile("^Approved")).first).to_be_visible()
    bobs.close()
    assert Question.objects.get().answer == "Yes, the carrier said so."
    assert ApprovalTask.objects.get().status == "approved"
    assert complaints == []


def test_away_and_handed_over_without_javascript_on_a_phone(
    task: ApprovalTask, alice: User, bob: User, browser: Browser, live_server: Any, let_in: Any
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    let_in(context, alice)
    page = context.new_page()
    page.goto(f"{live_server.url}/preferences/")
    page.get_by_label("From").fill("2026-01-01T08:00")
    page.get_by_label("Stands in for you").select_option(label="Bob (bob)")
    page.get_by_role("button", name="Save absence").click()
    expect(page.get_by_text("away now")).to_be_visible()
    page.get_by_role("button", name="I’m back").click()
    expect(page.get_by_text("away now")).to_have_count(0)
    page.goto(f"{live_server.url}/tasks/{task.pk}/")
    page.get_by_role("link", name="Hand over").click()
    page.get_by_label("To whom").select_option(label="Bob (bob)")
    page.get_by_role("button", name="Hand over").click()
    expect(page.get_by_text("You handed this to Bob.").first).to_be_visible()
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_role("link", name="Approve", exact=True)).to_be_visible()
    context.close()


def test_preferences_are_for_everybody(
    alice: User, bob: User, page: Page, live_server: Any, let_in: Any
) -> None:
    User.objects.filter(pk=bob.pk).update(away_from="2026-01-01T00:00Z", delegate=alice)
    User.objects.filter(pk=alice.pk).update(away_from="2026-01-01T00:00Z", delegate=bob)
    let_in(page.context, alice)
    for width, name in ((1280, "preferences"), (390, "preferences-phone")):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(f"{live_server.url}/preferences/")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        look(page, name)


@pytest.fixture
def crowd(alice: User) -> None:
    """Too many for a select."""
    User.objects.bulk_create(User(username=f"p{n}", first_name="Pat") for n in range(60))
    for name in ("anna1", "anna2"):
        UserFactory(username=name, first_name="Anna", last_name="von Hohenberg-Schwarzenfeld")


def test_of_many_people_those_are_suggested_whose_name_one_writes(
    task: ApprovalTask, alice: User, crowd: None, page: Page, live_server: Any, let_in: Any,
    complaints: list[str],
) -> None:  # fmt: skip
    let_in(page.context, alice)
    page.goto(f"{live_server.url}/tasks/{task.pk}/")
    page.keyboard.press("q")
    whom = page.get_by_role("dialog").get_by_label("To whom")
    expect(whom).to_be_focused()
    whom.press_sequentially("hohen")
    suggested = page.locator("#whom-found option")
    expect(suggested).to_have_count(2)
    whom.fill(suggested.nth(1).get_attribute("value") or "")
    page.get_by_role("dialog").get_by_label("Question").fill("Is it?")
    look(page, "ask-by-name")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("No answer yet.")).to_be_visible()
    assert Question.objects.get().asked.username == "anna2"
    assert complaints == []


def test_a_name_of_two_is_asked_about_without_javascript_on_a_phone(
    task: ApprovalTask, alice: User, crowd: None, browser: Browser, live_server: Any, let_in: Any
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    let_in(context, alice)
    page = context.new_page()
    page.goto(f"{live_server.url}/tasks/{task.pk}/hand-over/")
    page.get_by_label("To whom").fill("Anna von Hohenberg-Schwarzenfeld")
    page.get_by_label("Note").fill("You know the customer.")
    page.get_by_role("button", name="Hand over").click()
    expect(page.get_by_text("Several people are called so.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    if folder := os.environ.get("LOOK_AT"):
        page.screenshot(path=Path(folder) / "which-phone.png")
    page.get_by_label("To whom").select_option(value="(anna2)")
    page.get_by_role("button", name="Hand over").click()
    handed = page.get_by_text("You handed this to Anna von Hohenberg-Schwarzenfeld.")
    expect(handed.first).to_be_visible()
    assert task.places.get().user.username == "anna2"
    context.close()
