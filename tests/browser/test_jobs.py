"""Outside jobs for everybody: without JavaScript, in both themes, on a phone, and live."""

import datetime as dt
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db.models.functions import Now
from playwright.sync_api import Browser, Page, expect

from approvals.models import OutsideJob, User
from approvals.outside_jobs import report
from approvals.outside_jobs.claim import claim
from tests.factories import task_for
from tests.outside_jobs.conftest import Job, job, job_gate, runner, source  # noqa: F401

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def jobs(job, runner, gate) -> list[Job]:
    """One silent, one running, one waiting; and a task for people."""
    task_for(gate)
    titles = ("Aggregate May", "Aggregate June", "Aggregate July")
    made = [job(title=title, timeoutSeconds=7200, input={"month": 5}) for title in titles]
    for one, percent, note in zip(made, (80, 35), ("Writing", "Stage 3 of 9"), strict=False):
        report.heartbeat(one.task.pk, claim(runner.key, "spark-driver-7").key, percent, note)
    OutsideJob.objects.filter(task=made[0].task).update(heard_at=Now() - dt.timedelta(minutes=12))
    return made


def test_axe_finds_nothing_in_both_themes_and_at_every_width(
    jobs, alice, page: Page, live_server, let_in, complaints, tmp_path: Path
):
    let_in(page.context, alice)
    urls = [
        "/?tab=jobs",
        *(f"/tasks/{one.task.pk}/?tab=jobs" for one in jobs),
        f"/tasks/{jobs[1].task.pk}/decide/?verdict=approve",
    ]
    for theme in ("light", "dark"):
        User.objects.filter(pk=alice.pk).update(theme=theme)
        for size in (PHONE, {"width": 1280, "height": 900}):
            page.set_viewport_size(size)
            for number, url in enumerate(urls):
                page.goto(f"{live_server.url}{url}")
                page.screenshot(path=tmp_path / f"{theme}-{size['width']}-{number}.png")
                found = Axe().run(page).response["violations"]
                serious = [
                    (one["id"], [node["html"][:200] for node in one["nodes"]])
                    for one in found
                    if one["impact"] in ("serious", "critical")
                ]
                assert serious == [], (theme, size, url)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= size["width"], (url, wide)
    assert complaints == []


def test_a_key_is_issued_and_a_job_settled_without_javascript(
    jobs, alice, browser: Browser, live_server, let_in, tmp_path: Path
):
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    let_in(context, alice)
    page = context.new_page()
    page.goto(live_server.url)
    page.get_by_role("link", name=re.compile("^Jobs 3")).click()
    expect(page.get_by_text("silent for 12 min")).to_be_visible()
    page.get_by_role("link", name=re.compile("Aggregate July")).click()
    page.get_by_role("button", name="Issue a key").click()
    expect(page.get_by_text(re.compile("^csj_"))).to_be_visible()
    page.screenshot(path=tmp_path / "key.png")
    page.get_by_role("link", name="Back to the task").click()
    page.get_by_role("link", name="Mark as failed").click()
    page.get_by_label("How you know").fill("The cluster was switched off.")
    page.get_by_role("button", name="Mark as failed").click()
    expect(page.locator("#toasts")).to_contain_text("Marked as failed")
    context.close()


def test_progress_moves_while_one_looks(jobs, alice, page: Page, live_server, let_in, complaints):
    let_in(page.context, alice)
    page.goto(f"{live_server.url}/tasks/{jobs[1].task.pk}/?tab=jobs")
    detail = page.locator("#detail")
    expect(detail.get_by_text("35%")).to_be_visible()
    report.heartbeat(jobs[1].task.pk, jobs[1].task.job_keys.get(), 60)
    expect(detail.get_by_text("60%")).to_be_visible(timeout=20_000)
    expect(page.locator("#list").get_by_text("60%")).to_be_visible(timeout=20_000)
    assert complaints == []
