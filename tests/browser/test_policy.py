"""A policy in the browser: a gate with stages is configured, walked through, and asked about."""

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from approvals.decisions.decide import decide
from approvals.models import Decision, Gate, Stage
from approvals.states import Verdict
from tests.browser.test_for_everybody import PHONE
from tests.conftest import person
from tests.factories import task_for


def test_stages_are_added_without_javascript(gate, ada, charlie, browser: Browser, live_server,
                                             let_in):  # fmt: skip
    context = browser.new_context(java_script_enabled=False)
    let_in(context, ada)
    page = context.new_page()
    page.goto(f"{live_server.url}/admin/approvals/gate/{gate.pk}/change/")
    page.locator("summary", has_text="Later stages").click()
    page.locator("#id_stages-0-position").fill("1")
    page.locator("#id_stages-0-name").fill("Security")
    page.locator("#id_stages-0-groups").select_option(label="Platform")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Stage.objects.get().groups.get().name == "Platform"
    context.close()


def test_a_task_goes_through_its_stages(gate, alice, bob, charlie, page: Page, live_server, let_in,
                                        complaints):  # fmt: skip
    stage = Stage.objects.create(gate=gate, position=1, name="Security")
    stage.users.add(charlie)
    task = task_for(gate, title="Deploy the shop")
    page.set_viewport_size(PHONE)
    let_in(page.context, alice)
    page.goto(f"{live_server.url}/tasks/{task.pk}/")
    expect(page.get_by_text("it goes on to Security.")).to_be_visible()
    page.get_by_role("link", name="Who can approve this").click()
    expect(page.get_by_role("heading", name="Who can approve this")).to_be_visible()
    expect(page.get_by_text("Any one of them may be away")).to_be_visible()
    assert Axe().run(page).violations_count == 0
    decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
    page.goto(f"{live_server.url}/tasks/{task.pk}/")
    expect(page.get_by_text("Approved by Alice.")).to_be_visible()
    expect(page.locator('[aria-current="step"]')).to_contain_text("Security")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.goto(f"{live_server.url}/gates/{gate.slug}/who/")
        expect(page.get_by_text(re.compile("If Charlie is away, nobody"))).to_be_visible()
        assert Axe().run(page).violations_count == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert complaints == []
    assert Gate.objects.count() == 1
