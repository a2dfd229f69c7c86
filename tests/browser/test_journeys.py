"""Policies as reviewers meet them, each in a browser of their own: a quorum with a veto, stages,
somebody who stands in, an escalation."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from approvals.models import ApprovalTask, Gate, Timer, User
from approvals.states import TaskStatus
from approvals.timers import fire
from tests.browser.test_for_everybody import PHONE
from tests.conftest import OTHER_TEAM, TEAM
from tests.factories import GateFactory, task_for

Opens = Callable[[User], Page]


@pytest.fixture
def opens(browser: Browser, live_server: Any, let_in: Any) -> Opens:
    """The inbox of somebody, on their phone."""

    def opens(user: User) -> Page:
        context = browser.new_context(viewport=PHONE, base_url=live_server.url)
        let_in(context, user)
        page = context.new_page()
        page.goto("/")
        return page

    return opens


def approve(page: Page, title: str) -> None:
    page.get_by_role("link", name=re.compile(title)).click()
    page.get_by_role("link", name="Approve", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.locator("#toasts")).to_contain_text("Approved")


def reject(page: Page, title: str, reason: str) -> None:
    page.get_by_role("link", name=re.compile(title)).click()
    page.get_by_role("link", name="Reject", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name="Reject").click()
    expect(page.locator("#toasts")).to_contain_text("Rejected")


def status(task: ApprovalTask) -> str:
    return ApprovalTask.objects.get(pk=task.pk).status


def test_two_of_three_pass_and_one_vetoes(alice, bob, dora, opens):
    gate = GateFactory(groups=[TEAM], quorum=2)
    passed, stopped = task_for(gate, title="Deploy 1.0"), task_for(gate, title="Deploy 2.0")
    hers, his, third = opens(alice), opens(bob), opens(dora)
    approve(hers, "Deploy 1.0")
    assert status(passed) == TaskStatus.PENDING
    approve(his, "Deploy 1.0")
    assert status(passed) == TaskStatus.APPROVED

    hers.goto("/")
    approve(hers, "Deploy 2.0")
    reject(third, "Deploy 2.0", "The migration locks the orders.")
    assert status(stopped) == TaskStatus.REJECTED
    his.goto(f"/tasks/{stopped.pk}/")
    expect(his.get_by_text("Dora has already rejected this.").first).to_be_visible()


def test_the_next_stage_finds_it_once_the_first_has_passed(alice, charlie, opens):
    gate = GateFactory(groups=[TEAM])
    gate.stages.create(position=1, name="Security").users.add(charlie)
    task = task_for(gate, title="New supplier")
    second = opens(charlie)
    expect(second.get_by_role("link", name=re.compile("New supplier"))).to_have_count(0)
    approve(opens(alice), "New supplier")
    second.goto("/")
    approve(second, "New supplier")
    assert status(task) == TaskStatus.APPROVED


def test_who_stands_in_is_told_so_and_decides(alice, charlie, opens):
    gate = GateFactory(users=[alice], hand_over=Gate.HandOver.ANYBODY)
    task = task_for(gate, title="Keep the mails")
    User.objects.filter(pk=alice.pk).update(away_from=timezone.now(), delegate=charlie)
    page = opens(charlie)
    page.get_by_role("link", name=re.compile("Keep the mails")).click()
    expect(page.get_by_text(re.compile("You stand in for Alice"))).to_be_visible()
    page.goto("/")
    approve(page, "Keep the mails")
    assert status(task) == TaskStatus.APPROVED
    page.goto(f"/tasks/{task.pk}/")
    expect(
        page.get_by_text(re.compile("Charlie.*in Alice’s place|in place of Alice")).first
    ).to_be_visible()


def test_an_escalated_task_comes_to_the_other_team(alice, charlie, opens):
    gate = GateFactory(groups=[TEAM], escalate_after_minutes=30)
    gate.escalate_to.set(charlie.groups.filter(name=OTHER_TEAM))
    task = task_for(gate, title="Rotate the key")
    page = opens(charlie)
    expect(page.get_by_role("link", name=re.compile("Rotate the key"))).to_have_count(0)
    Timer.objects.filter(kind=Timer.Kind.ESCALATE).update(at=Now())
    fire.due()
    page.goto("/")
    page.get_by_role("link", name=re.compile("Rotate the key")).click()
    expect(page.get_by_text("Escalated", exact=True).first).to_be_visible()
    page.goto("/")
    approve(page, "Rotate the key")
    assert status(task) == TaskStatus.APPROVED
