"""What a job says settles its task: once, signed, and within what the engine takes."""

import json
import time

import pytest

from approvals.callbacks.deliver import deliver
from approvals.decisions.decide import decide
from approvals.decisions.expire import retire
from approvals.engines.base import Fate, Step
from approvals.errors import (
    AlreadyReported,
    CannotReport,
    CountersignError,
    JobEnded,
    KeyNotLive,
    ReportTooLarge,
)
from approvals.jobs import expire_tasks, send_heartbeats
from approvals.models import AuditEvent, Callback, Decision, Gate, Heartbeat, JobKey
from approvals.outside_jobs import keys, report
from approvals.outside_jobs.claim import claim
from approvals.states import CallbackStatus, TaskStatus, Verdict
from tests.concurrency import at_once
from tests.conftest import person


def test_a_success_goes_back_with_the_jobs_own_output(job, key_of):
    one = job()
    report.success(one.task.pk, key_of(one), {"rows": 12, "größe": [1.5, None]})

    assert one.status == TaskStatus.SUCCEEDED
    assert deliver(one.callback.pk) == CallbackStatus.DELIVERED
    answer = json.loads(one.step.answer[0])
    assert answer == {
        "status": "succeeded",
        "output": {"rows": 12, "größe": [1.5, None]},
        "taskId": str(one.task.pk),
        "decisionId": str(one.callback.decision_id),
    }
    step = Step(one.step.execution_id, one.step.state, one.token)
    assert one.engine.find_out(step, answer["decisionId"]) == Fate.OURS


def test_a_gate_may_wrap_the_output(job, job_gate, key_of):
    Gate.objects.filter(pk=job_gate.pk).update(output_key="Payload")
    one = job()
    report.success(one.task.pk, key_of(one), 7)
    assert json.loads(one.callback.output)["Payload"]["output"] == 7


def test_a_failure_fails_the_step_with_the_jobs_own_error(job, key_of):
    one = job()
    report.failure(one.task.pk, key_of(one), "OutOfMemory", "Stage 3 lost its executor.")

    assert one.status == TaskStatus.FAILED
    deliver(one.callback.pk)
    error, cause = one.step.answer
    assert error == "OutOfMemory"
    assert cause.startswith("Stage 3 lost its executor. (reported by its job, ")
    assert str(one.callback.decision_id) in cause
    failed = AuditEvent.objects.get(task=one.task, action="job_failed")
    assert failed.data["error"] == "OutOfMemory"
    assert failed.data["key"] == JobKey.objects.get().pk


def test_the_same_report_again_changes_nothing_and_another_one_is_told_who_was_first(job, key_of):
    one = job()
    key = key_of(one)
    for _ in range(3):
        assert report.success(one.task.pk, key, {"rows": 1}).status == TaskStatus.SUCCEEDED
    assert AuditEvent.objects.filter(task=one.task, action="job_succeeded").count() == 1
    with pytest.raises(AlreadyReported, match="The job itself has already said that it succeeded"):
        report.failure(one.task.pk, key, "Oops", "")
    with pytest.raises(AlreadyReported):
        report.success(one.task.pk, key, {"rows": 2})
    with pytest.raises(JobEnded):
        report.heartbeat(one.task.pk, key)


@pytest.mark.django_db(transaction=True)
def test_success_and_failure_at_the_same_moment_leave_one_answer(job, key_of):
    for _ in range(5):
        one = job()
        key = key_of(one)

        def succeed(one=one, key=key):
            return report.success(one.task.pk, key, 1)

        def fail(one=one, key=key):
            return report.failure(one.task.pk, key, "Oops", "")

        said = at_once(succeed, fail, succeed, fail)
        refused = [type(one) for one in said if isinstance(one, Exception)]
        assert refused == [AlreadyReported] * 2
        assert Callback.objects.filter(task=one.task).count() == 1


def test_what_the_engine_would_refuse_is_refused_at_once_and_the_task_stays(job, key_of):
    one = job()
    key = key_of(one)
    with pytest.raises(ReportTooLarge, match="262,144 bytes"):
        report.success(one.task.pk, key, "x" * 262_144)
    with pytest.raises(CannotReport, match="256 bytes"):
        report.failure(one.task.pk, key, "ß" * 129, "")
    with pytest.raises(CannotReport, match="half a character"):
        report.success(one.task.pk, key, "\ud800")
    assert one.status == TaskStatus.PENDING
    report.failure(one.task.pk, key, "TooLong", "ß" * 100_000)  # a cause is cut instead
    deliver(one.callback.pk)
    assert one.step.status == "failed"


def test_a_key_reports_on_its_own_task_until_it_expires_or_is_revoked(job, key_of, ada):
    one, other = job(), job()
    key = key_of(one)
    with pytest.raises(KeyNotLive):
        report.success(other.task.pk, key, None)
    JobKey.objects.filter(pk=key.pk).update(expires_at="2026-01-01T00:00:00Z")
    with pytest.raises(KeyNotLive):
        report.success(one.task.pk, key, None)
    fresh = key_of(one)
    keys.revoke(fresh, ada)
    with pytest.raises(KeyNotLive):
        report.heartbeat(one.task.pk, fresh)
    assert {one.status, other.status} == {TaskStatus.PENDING}


def test_people_settle_by_hand_what_the_job_cannot(job, key_of, alice):
    one = job()
    decide(one.task.pk, person(alice), Verdict.APPROVE, comment="In the logs", via="inbox")
    assert one.status == TaskStatus.SUCCEEDED
    answer = json.loads(one.callback.output)
    assert answer | {"decisionId": "", "taskId": ""} == {
        "status": "succeeded",
        "output": None,
        "settledBy": "alice",
        "comment": "In the logs",
        "taskId": "",
        "decisionId": "",
    }
    with pytest.raises(AlreadyReported, match="Alice has already said that it succeeded"):
        report.failure(one.task.pk, key_of(one), "Oops", "")

    other = job()
    decide(other.task.pk, person(alice), Verdict.REJECT, comment="Lost", via=Decision.Via.INBOX)
    assert other.status == TaskStatus.FAILED
    assert other.callback.cause.startswith("Lost (failed by alice, decision ")


def test_a_job_that_speaks_is_kept_alive_and_a_killed_one_times_out(job, job_gate, key_of):
    Gate.objects.filter(pk=job_gate.pk).update(job_silence_seconds=1)
    job_gate.refresh_from_db()
    speaking, killed, queued = (job(heartbeat_seconds=2) for _ in range(3))
    keys_of = key_of(speaking), key_of(killed)
    for one, key in zip((speaking, killed), keys_of, strict=True):
        report.heartbeat(one.task.pk, key)
    until = time.monotonic() + 7
    while time.monotonic() < until:
        report.heartbeat(speaking.task.pk, keys_of[0])
        send_heartbeats()
        expire_tasks()
        time.sleep(0.25)

    assert speaking.step.status == "waiting"
    assert queued.step.status == "waiting", "waiting in line is kept alive by Countersign itself"
    assert killed.step.status == "timed_out"
    assert killed.status == TaskStatus.CANCELLED, "it leaves the inbox without anybody's help"
    assert AuditEvent.objects.filter(task=killed.task, action="job_silent").count() == 1
    with pytest.raises(JobEnded, match="ended"):
        report.heartbeat(killed.task.pk, keys_of[1])


def test_a_silent_job_that_speaks_again_in_time_is_kept_alive_again(job, job_gate, key_of):
    Gate.objects.filter(pk=job_gate.pk).update(job_silence_seconds=1)
    one = job(heartbeat_seconds=60, timeoutSeconds=3600)
    deadline = one.task.expiry_due_at
    key = key_of(one)
    report.heartbeat(one.task.pk, key)
    Heartbeat.objects.filter(task=one.task).update(until="2026-01-01T00:00:00Z")
    send_heartbeats()
    assert not Heartbeat.objects.filter(task=one.task).exists()
    assert len(one.step.heard_at) == 1, "nothing was sent for it"
    one.task.refresh_from_db()
    assert one.task.expiry_due_at < deadline

    report.heartbeat(one.task.pk, key)
    send_heartbeats()

    assert len(one.step.heard_at) == 2
    one.task.refresh_from_db()
    assert one.task.expiry_due_at == deadline


def test_a_silent_jobs_step_without_heartbeats_is_still_asked_whether_it_waits(job, key_of):
    one = job()
    report.heartbeat(one.task.pk, key_of(one))
    Heartbeat.objects.filter(task=one.task).update(until="2026-01-01T00:00:00Z")
    send_heartbeats()
    assert len(one.step.heard_at) == 2
    assert not AuditEvent.objects.filter(action="job_silent").exists()


def test_asking_about_a_silent_job_does_not_keep_its_step_alive(job, key_of):
    one = job(heartbeat_seconds=60)
    report.heartbeat(one.task.pk, key_of(one))
    Heartbeat.objects.filter(task=one.task).update(until="2026-01-01T00:00:00Z")
    send_heartbeats()
    type(one.task).objects.update(expiry_due_at="2026-01-01T00:00:00Z")
    expire_tasks()
    assert len(one.step.heard_at) == 1
    assert one.status == TaskStatus.PENDING


def test_once_it_has_reported_the_step_is_kept_alive_until_the_engine_has_the_answer(job, key_of):
    one = job(heartbeat_seconds=60)
    key = key_of(one)
    report.heartbeat(one.task.pk, key)
    report.success(one.task.pk, key, None)
    assert Heartbeat.objects.get(task=one.task).until is None


@pytest.mark.django_db(transaction=True)
def test_whatever_happens_to_one_job_at_the_same_moment_nobody_waits_for_ever(
    job, runner, key_of, alice
):
    for _ in range(8):
        one, other = job(heartbeat_seconds=60), job(heartbeat_seconds=60)
        key = key_of(one)
        report.heartbeat(one.task.pk, key)
        Heartbeat.objects.filter(task=one.task).update(until="2026-01-01T00:00:00Z")
        said = at_once(
            lambda one=one, key=key: report.heartbeat(one.task.pk, key),
            lambda one=one, key=key: report.success(one.task.pk, key, 1),
            lambda one=one: retire(one.task.pk),
            lambda: claim(runner.key),
            lambda: claim(runner.key),
            lambda one=one: decide(
                one.task.pk, person(alice), Verdict.REJECT, comment="x", via=Decision.Via.INBOX
            ),
            send_heartbeats,
            lambda other=other: retire(other.task.pk),
        )
        assert one.status != TaskStatus.PENDING
        failed = [error for error in said if isinstance(error, Exception)]
        assert all(isinstance(error, CountersignError) for error in failed), failed


def test_a_silent_job_lets_no_step_die_that_waits_for_people_by_now(job, job_gate, runner):
    one = job(heartbeat_seconds=60)
    claim(runner.key)
    Gate.objects.filter(pk=job_gate.pk).update(kind=Gate.Kind.PEOPLE)
    Heartbeat.objects.update(until="2026-01-01T00:00:00Z")
    send_heartbeats()
    assert Heartbeat.objects.get(task=one.task).sent_at is not None
