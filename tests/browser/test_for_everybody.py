"""By keyboard alone, without JavaScript, in both themes, on a phone: nobody is left out."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from approvals.intake.accept import accept
from approvals.models import ApprovalTask, Gate, QuarantinedMessage, Source, User
from approvals.states import TaskStatus
from tests.factories import task_for, tasks_for

PHONE = {"width": 390, "height": 844}
SUMMARY = "**Why**: it was [lost](https://example.com/track).\n\n| a | b |\n|---|---|\n| 1 | 2 |"
PAYLOAD = {
    "amount": 12.5,
    "items": [{"sku": "A-1", "n": 2}, {"sku": "B-2", "n": 1}],
    "deep": {"x": [1]},
}


@pytest.fixture
def tasks(gate: Gate, source: Source) -> list[ApprovalTask]:
    accept(source, ["not json"])
    first = task_for(
        gate, title="Refund order 4711", summary=SUMMARY, input=PAYLOAD, timeoutSeconds=3600,
        requestedBy="dora", links=["https://example.com/order"],
    )  # fmt: skip
    return [first, *tasks_for(gate, 3)]


def test_the_whole_flow_by_keyboard(tasks, alice, page: Page, live_server, let_in, complaints):
    let_in(page.context, alice)
    page.goto(live_server.url)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Refund order 4711")).to_be_visible()
    page.keyboard.press("r")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("textbox")).to_be_focused()
    page.keyboard.type("Wrong parcel")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(re.compile("^Rejected")).first).to_be_visible()
    # The next task is open and has the focus.
    page.keyboard.press("a")
    expect(dialog.get_by_role("button", name="Approve")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(re.compile("^Approved")).first).to_be_visible()
    statuses = ApprovalTask.objects.order_by("sort_deadline", "id").values_list("status", flat=True)
    assert list(statuses)[:2] == [TaskStatus.REJECTED, TaskStatus.APPROVED]
    assert complaints == []


def test_keys_can_be_switched_off(tasks, alice, page: Page, live_server, let_in):
    User.objects.filter(pk=alice.pk).update(shortcuts=False)
    let_in(page.context, alice)
    page.goto(f"{live_server.url}/tasks/{tasks[0].pk}/")
    page.keyboard.press("a")
    page.wait_for_timeout(500)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_whole_flow_without_javascript(tasks, alice, browser: Browser, live_server, let_in):
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    let_in(context, alice)
    page = context.new_page()
    page.goto(live_server.url)
    page.get_by_role("link", name=re.compile("Refund order 4711")).click()
    expect(page.get_by_text("A-1")).to_be_visible()
    page.get_by_role("link", name="Reject", exact=True).click()
    page.get_by_role("textbox").fill("Wrong parcel")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("#toasts")).to_contain_text("Rejected.")
    tasks[0].refresh_from_db()
    assert tasks[0].status == TaskStatus.REJECTED
    context.close()


def test_a_new_task_appears_without_a_reload(tasks, gate, alice, page: Page, live_server, let_in):
    let_in(page.context, alice)
    page.goto(live_server.url)
    expect(page).to_have_title(re.compile(r"^\(4\)"))
    task_for(gate, title="A fifth one")
    expect(page.get_by_text("A fifth one")).to_be_visible(timeout=15_000)
    expect(page).to_have_title(re.compile(r"^\(5\)"))


def test_a_page_left_open_for_ten_seconds_decides_nothing(
    tasks, alice, page: Page, live_server, let_in
):
    let_in(page.context, alice)
    page.goto(f"{live_server.url}/tasks/{tasks[0].pk}/decide/?verdict=approve")
    page.wait_for_timeout(10_000)
    assert set(ApprovalTask.objects.values_list("status", flat=True)) == {TaskStatus.PENDING}


PAGES: dict[str, tuple[str, str]] = {
    "sign-in": ("", "/accounts/login/"),
    "ask an administrator": ("", "/accounts/password/reset/"),
    "inbox": ("alice", "/"),
    "inbox, done": ("alice", "/?tab=done"),
    "nothing found": ("alice", "/?q=nothing+like+it"),
    "no gate yet": ("olive", "/"),
    "task": ("alice", "/tasks/{task}/"),
    "confirmation": ("alice", "/tasks/{task}/decide/?verdict=reject"),
    "a task to look at": ("audrey", "/tasks/{task}/"),
    "preferences": ("alice", "/preferences/"),
    "password": ("alice", "/accounts/password/change/"),
    "two-factor": ("alice", "/accounts/2fa/"),
    "sign-out": ("alice", "/accounts/logout/"),
    "ledger": ("audrey", "/ledger/"),
    "operations": ("olive", "/operations/"),
    "quarantine": ("olive", "/operations/quarantine/"),
    "held message": ("olive", "/operations/quarantine/{held}/"),
    "not found": ("alice", "/nothing-here/"),
    "forbidden": ("alice", "/ledger/"),
    "admin": ("ada", "/admin/"),
    "admin, gates": ("ada", "/admin/approvals/gate/"),
    "admin, a gate": ("ada", "/admin/approvals/gate/{gate}/change/"),
    "admin, a calendar": ("ada", "/admin/approvals/calendar/add/"),
    "admin, a source": ("ada", "/admin/approvals/source/{source}/change/"),
    "admin, a connection": ("ada", "/admin/approvals/connection/{connection}/change/"),
    "admin, tasks": ("ada", "/admin/approvals/approvaltask/"),
}


def found_by_axe(page: Page) -> list[tuple[str, list[str]]]:
    results: dict[str, Any] = Axe().run(page).response
    return [
        (one["id"], [node["html"] for node in one["nodes"]][:3])
        for one in results["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious_and_the_browser_nothing_to_refuse(
    name, tasks, gate, browser: Browser, live_server, let_in, request
):
    who, path = PAGES[name]
    context = browser.new_context(color_scheme="light", reduced_motion="reduce")
    if who:
        let_in(context, request.getfixturevalue(who))
    held = QuarantinedMessage.objects.get().pk
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
    task = tasks[0]
    places = {"task": task.pk, "held": held, "gate": gate.pk, "source": task.source_id}
    places["connection"] = task.connection_id
    answer = page.goto(live_server.url + path.format(**places))
    page.wait_for_load_state("networkidle")
    complaints = list(said)  # axe itself tries an inline style
    serious = {"light": found_by_axe(page)}
    page.emulate_media(color_scheme="dark")
    page.evaluate("Promise.allSettled(document.getAnimations().map((one) => one.finished))")
    serious["dark"] = found_by_axe(page)
    context.close()
    assert serious == {"light": [], "dark": []}
    expected = [answer.status] if answer and answer.status >= 400 else []
    refused = [text for text in complaints if not any(str(code) in text for code in expected)]
    assert refused == []


@pytest.mark.parametrize(
    "name", ["inbox", "task", "confirmation", "ledger", "operations", "quarantine"]
)
def test_nothing_is_wider_than_a_phone(
    name, tasks, gate, browser: Browser, live_server, let_in, request
):
    who, path = PAGES[name]
    context = browser.new_context(viewport=PHONE)
    let_in(context, request.getfixturevalue(who))
    page = context.new_page()
    held = QuarantinedMessage.objects.get().pk
    page.goto(live_server.url + path.format(task=tasks[0].pk, held=held, gate=gate.pk))
    width = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert width <= PHONE["width"]
