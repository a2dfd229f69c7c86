"""Outside jobs have a tab of their own, with how far they are, and can be settled by hand."""

import datetime as dt
import json
import re

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from approvals.models import AuditEvent, Callback, Gate, Heartbeat, JobKey, OutsideJob
from approvals.outside_jobs import keys, report
from approvals.outside_jobs.claim import claim
from approvals.states import TaskStatus
from tests.conftest import TEAM
from tests.factories import GateFactory, task_for
from tests.inbox.conftest import ids_on
from tests.outside_jobs.conftest import job, job_gate, runner, source  # noqa: F401
from tests.security.leaks import database, leaks


def by_hand(verdict, comment="It is in the logs"):
    return {"verdict": verdict, "comment": comment}


def test_jobs_have_a_tab_of_their_own_and_are_in_no_count_of_what_people_decide(job, gate, web):
    asked, waiting = task_for(gate), job()
    mine = web.get("/")
    assert ids_on(mine.content) == [str(asked.pk)]
    assert ids_on(web.get("/?tab=team").content) == [str(asked.pk)]
    assert ids_on(web.get("/?tab=jobs").content) == [str(waiting.task.pk)]
    assert b"<title>(1) Inbox" in mine.content
    assert [(tab.name, tab.count) for tab in mine.context["listing"].tabs] == [
        ("Mine", "1"), ("Team", "1"), ("Done", "0"), ("Jobs", "1")
    ]  # fmt: skip


def test_whoever_has_no_gate_for_jobs_sees_no_such_tab(gate, web, charlie, signed_in):
    assert b"tab=jobs" not in web.get("/").content
    assert b"tab=jobs" not in signed_in(charlie).get("/").content
    assert web.get("/?tab=jobs").status_code == 200


def test_another_teams_jobs_are_not_there(job, charlie, signed_in):
    waiting = job()
    client = signed_in(charlie)
    assert ids_on(client.get("/?tab=jobs").content) == []
    assert client.get(f"/tasks/{waiting.task.pk}/").status_code == 404
    assert client.post(f"/tasks/{waiting.task.pk}/key/").status_code == 404


def test_a_row_says_how_far_its_job_is(job, runner, web):
    running, waiting = job(title="A"), job(title="B")
    key = claim(runner.key, "driver-7 <b>").key
    report.heartbeat(running.task.pk, key, 40, "Stage <i> 3")
    page = web.get("/?tab=jobs").content.decode()
    assert "running on driver-7 &lt;b&gt; · Stage &lt;i&gt; 3" in page
    assert "40%" in page
    assert 'value="40"' in page
    assert "waiting for a runner" in page
    OutsideJob.objects.filter(task=running.task).update(heard_at=Now() - dt.timedelta(minutes=12))
    assert re.search(
        r"silent for <time [^>]*>12 min</time>", web.get("/?tab=jobs").content.decode()
    )
    assert waiting.row.claimed_at is None


def test_the_list_refreshes_when_a_job_moves_on_and_only_then(job, runner, web):
    one = job()
    key = claim(runner.key).key
    htmx = {"HX-Request": "true"}
    version = web.get("/?tab=jobs", headers=htmx).context["listing"].version
    assert web.get(f"/?v={version}&tab=jobs", headers=htmx).status_code == 204
    report.heartbeat(one.task.pk, key)
    assert web.get(f"/?v={version}&tab=jobs", headers=htmx).status_code == 204
    report.heartbeat(one.task.pk, key, 5)
    assert web.get(f"/?v={version}&tab=jobs", headers=htmx).status_code == 200


def test_the_tab_costs_one_query_more_whatever_it_holds(job, web):
    def queries(query):
        with CaptureQueriesContext(connection) as captured:
            assert web.get(f"/{query}").status_code == 200
        return len(captured)

    job()
    web.get("/")
    assert (queries("?tab=jobs"), queries("")) == (6, 5)
    for _ in range(20):
        job()
    job(GateFactory(kind=Gate.Kind.JOB, groups=[TEAM]))
    assert (queries("?tab=jobs"), queries("")) == (6, 5)


def test_a_job_in_full_says_where_it_runs_and_what_happened(job, runner, web):
    one = job(heartbeat_seconds=60, input={"month": "2026-05"})
    page = web.get(f"/tasks/{one.task.pk}/").content.decode()
    assert "Waits for a runner" in page
    assert "No runner has taken this job yet" in page
    key = claim(runner.key, "driver-7").key
    report.heartbeat(one.task.pk, key, 40, "Stage 3")
    page = web.get(f"/tasks/{one.task.pk}/").content.decode()
    for said in ("Running", "driver-7 took the job", "Stage 3", 'aria-label="Progress of the job"',
                 "Mark as succeeded", "Mark as failed", "2026-05", "expires in 23 h"):  # fmt: skip
        assert said in page, said
    assert "Waits for approval" not in page
    OutsideJob.objects.update(heard_at=Now() - dt.timedelta(minutes=12))
    Heartbeat.objects.all().delete()
    page = web.get(f"/tasks/{one.task.pk}/").content.decode()
    assert "Silent" in page
    assert "no longer kept alive" in page


@pytest.mark.parametrize(
    ("verdict", "status", "word"),
    [("approve", TaskStatus.SUCCEEDED, "Succeeded"), ("reject", TaskStatus.FAILED, "Failed")],
)
def test_people_settle_a_job_by_hand_with_a_word_on_how_they_know(job, web, verdict, status, word):
    one = job()
    url = f"/tasks/{one.task.pk}/decide/"
    asked = web.get(f"{url}?verdict={verdict}").content.decode()
    assert "How you know" in asked
    refused = web.post(url, by_hand(verdict, "  "))
    assert refused.status_code == 422
    assert b"Please say how you know" in refused.content

    said = web.post(url, by_hand(verdict), follow=True).content.decode()

    assert f"Marked as {word.lower()}" in said
    assert one.status == status
    assert Callback.objects.get().kind == ("success" if verdict == "approve" else "failure")
    page = web.get(f"/tasks/{one.task.pk}/").content.decode()
    assert f"marked it as {word.lower()}" in page
    done = web.get("/?tab=done").content.decode()
    assert ids_on(done.encode()) == [str(one.task.pk)]
    assert word in done


def test_a_settled_job_shows_no_bar_that_has_stopped_half_way(job, runner, web):
    one = job()
    key = claim(runner.key, "driver-7").key
    report.heartbeat(one.task.pk, key, 40, "Stage 3")
    url = f"/tasks/{one.task.pk}/"
    asked = web.get(f"{url}decide/?verdict=approve").content.decode()
    assert "What the job itself reports later is refused." in asked
    report.success(one.task.pk, key, None)
    page = web.get(url).content.decode()
    assert "<progress" not in page
    for said in ("Ran on", "Progress by then", "40%", "Stage 3"):
        assert said in page, said


def test_two_people_have_to_say_so_where_the_gate_wants_two(job, job_gate, web, bob, signed_in):
    Gate.objects.filter(pk=job_gate.pk).update(quorum=2)
    one = job()
    url = f"/tasks/{one.task.pk}/decide/"
    assert b"waits for 1 more approval" in web.post(url, by_hand("approve"), follow=True).content
    assert one.status == TaskStatus.PENDING
    signed_in(bob).post(url, by_hand("approve", "Seen it too"))
    assert one.status == TaskStatus.SUCCEEDED
    assert json.loads(Callback.objects.get().output)["settledBy"] == "bob"


def test_whoever_comes_after_the_job_is_told_kindly(job, web):
    one = job()
    report.success(one.task.pk, keys.issue_job_key(one.task, "x").key, None)
    answer = web.post(f"/tasks/{one.task.pk}/decide/", by_hand("reject"))
    assert answer.status_code == 409
    assert b"The job itself has already said that it succeeded." in answer.content
    page = web.get(f"/tasks/{one.task.pk}/").content
    assert b"The job reported success" in page


def test_a_person_takes_a_key_for_a_job_and_sees_it_once(job, runner, web, alice):
    one = job(heartbeat_seconds=60)
    answer = web.post(f"/tasks/{one.task.pk}/key/")
    [secret] = re.findall(r"csj_[\w-]+", answer.content.decode())
    assert answer["Cache-Control"] == "private, no-store"
    assert keys.find(secret).task_id == one.task.pk
    assert claim(runner.key) is None, "no runner starts it a second time"
    assert Heartbeat.objects.get(task=one.task).until is None, "nobody knows when it starts"
    issued = AuditEvent.objects.get(task=one.task, action="key_issued")
    assert issued.actor == alice
    page = web.get(f"/tasks/{one.task.pk}/").content.decode()
    assert "Alice, by hand" in page
    assert leaks(secret, [*database(), ("page", page)]) == []


def test_only_those_who_may_settle_a_job_get_a_key_for_it(job, olive, signed_in, web, bob):
    one = job()
    assert signed_in(olive).post(f"/tasks/{one.task.pk}/key/").status_code == 409
    report.success(one.task.pk, keys.issue_job_key(one.task, "x").key, None)
    assert web.post(f"/tasks/{one.task.pk}/key/").status_code == 409
    assert JobKey.objects.filter(task=one.task).count() == 1


def test_the_record_can_be_searched_for_what_jobs_said(job, audrey, signed_in):
    one = job()
    report.failure(one.task.pk, keys.issue_job_key(one.task, "cluster").key, "OutOfMemory", "big")
    page = signed_in(audrey).get("/ledger/?action=job_failed").content.decode()
    assert "Outside job failed" in page
    assert "OutOfMemory" in page
