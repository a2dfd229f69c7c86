"""The product as a person meets it: a real state machine waits, a person decides in a browser, the
real processes tell the engine, the execution goes on."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from approvals.models import ApprovalTask, User
from demo import inputs
from demo.inputs import Start
from tests.browser.conftest import sign_in
from tests.flow.conftest import Flow, emulator, flow, random  # noqa: F401 - fixtures


@pytest.fixture
def running(flow: Flow, worker: Any, start: Any) -> Iterator[Callable[[Start], str]]:
    """Receiver and workers as processes; starts an execution and waits until its task is in."""
    start("manage.py", "receive")
    worker("callbacks")
    worker("heartbeats")

    def begin(what: Start, **data: Any) -> str:
        before = ApprovalTask.objects.count()
        arn = flow.aws.start(flow.machines[what.machine], what.name, {**what.data, **data})
        _wait(lambda: ApprovalTask.objects.count() > before)
        return arn

    return begin


def _wait(truth: Callable[[], bool], seconds: float = 30) -> None:
    from tests.processes.test_workers import wait_until

    wait_until(truth, seconds)


def ended(flow: Flow, execution: str) -> Any:
    _wait(lambda: flow.aws.look_at(execution).status != "RUNNING")
    return flow.aws.look_at(execution)


def test_approve_in_the_browser_and_the_execution_succeeds(
    flow,
    running,
    random,
    page: Page,
    live_server,
    complaints,
):
    execution = running(inputs.refund(random))
    sign_in(page, live_server.url, "mira")

    page.get_by_role("link", name=re.compile("^Refund")).click()
    page.get_by_role("link", name="Approve", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label(re.compile("Comment")).fill("Checked with the shop")
    dialog.get_by_role("button", name="Approve").click()

    expect(page.get_by_text(re.compile("^Approved"))).to_be_visible()
    assert ended(flow, execution).status == "SUCCEEDED"
    assert flow.output(execution)["approvedBy"] == "mira"

    page.goto(f"{live_server.url}/?tab=done")
    page.get_by_role("link", name=re.compile("^Refund")).click()
    expect(page.get_by_text("Checked with the shop").first).to_be_visible()
    expect(page.get_by_text(re.compile("has been told")).first).to_be_visible()
    assert complaints == []


def test_reject_in_the_browser_and_the_workflow_takes_its_catch(
    flow,
    running,
    random,
    page: Page,
    live_server,
):
    execution = running(inputs.refund(random))
    sign_in(page, live_server.url, "mira")
    page.get_by_role("link", name=re.compile("^Refund")).click()
    page.get_by_role("link", name="Reject", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Reject").click()
    expect(dialog).to_be_visible()  # a reason is required
    dialog.get_by_role("textbox").fill("Paid back already")
    dialog.get_by_role("button", name="Reject").click()

    expect(page.get_by_text(re.compile("^Rejected"))).to_be_visible()
    assert flow.output(execution)["error"] == "Rejected"


def test_two_people_approve_a_deployment_and_its_requester_cannot(
    flow,
    running,
    random,
    browser,
    live_server,
):
    execution = running(inputs.deployment(random), requestedBy="tom@example.com")
    for username in ("tom", "lea", "jonas"):
        context = browser.new_context()
        page = context.new_page()
        sign_in(page, live_server.url, username)
        page.goto(f"{live_server.url}/?tab=team")
        page.get_by_role("link", name=re.compile("^Deploy")).click()
        if username == "tom":
            expect(page.get_by_text("You requested this")).to_be_visible()
            assert page.get_by_role("link", name="Approve", exact=True).count() == 0
        else:
            page.get_by_role("link", name="Approve", exact=True).click()
            page.get_by_role("dialog").get_by_role("button", name="Approve").click()
            expect(page.get_by_text(re.compile("^Approved")).first).to_be_visible()
        context.close()
    assert ended(flow, execution).status == "SUCCEEDED"


def test_the_lambda_payload_with_an_output_path(
    flow,
    running,
    random,
    page: Page,
    live_server,
):
    execution = running(inputs.data_export(random))
    sign_in(page, live_server.url, "lea")
    page.get_by_role("link", name=re.compile("^Export")).click()
    page.get_by_role("link", name="Approve", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    assert flow.output(execution)["approvedBy"] == "lea"


def test_a_workflow_that_timed_out_leaves_the_inbox_and_says_so(
    flow,
    running,
    random,
    page: Page,
    live_server,
):
    flow.shorten("expiring-offer", "Release offer", TimeoutSeconds=6)
    begin = inputs.offer(random)
    execution = flow.aws.start(flow.machines["short"], begin.name, begin.data)
    _wait(lambda: ApprovalTask.objects.exists())
    sign_in(page, live_server.url, "mira")
    page.get_by_role("link", name=re.compile("^Offer")).click()

    expect(page.get_by_text("Time ran out").first).to_be_visible(timeout=30_000)

    assert ApprovalTask.objects.get().status == "expired"
    assert ended(flow, execution).status == "SUCCEEDED"  # by its Catch of States.Timeout
    assert User.objects.get(username="mira").last_login <= timezone.now()


def test_two_at_once_and_the_second_reads_who_was_first(
    flow,
    running,
    random,
    browser,
    live_server,
):
    running(inputs.data_export(random))
    pages = []
    for username in ("mira", "lea"):
        page = browser.new_context().new_page()
        sign_in(page, live_server.url, username)
        page.get_by_role("link", name=re.compile("^Export")).click()
        page.get_by_role("link", name="Approve", exact=True).click()
        pages.append(page)
    for page in pages:
        page.get_by_role("dialog").get_by_role("button", name="Approve").click()
        page.wait_for_timeout(300)

    expect(pages[1].get_by_text("Mira Sand has already approved this.").first).to_be_visible()
    for page in pages:
        page.context.close()
