"""Runners take the jobs that wait at their gate, each job goes to one of them."""

import pytest

from approvals.decisions.decide import decide
from approvals.decisions.expire import retire
from approvals.errors import KeyNotLive
from approvals.models import AuditEvent, Decision, Gate, Heartbeat, JobKey, OutsideJob
from approvals.outside_jobs import keys, report
from approvals.outside_jobs.claim import claim
from approvals.states import Verdict
from tests.concurrency import at_once
from tests.conftest import TEAM, person
from tests.factories import GateFactory, task_for


def test_a_task_at_a_gate_for_jobs_can_be_claimed_and_others_cannot(job, gate, source, runner):
    for_people, waiting = task_for(gate, source), job()
    assert not OutsideJob.objects.filter(task=for_people).exists()

    issued = claim(runner.key, "spark-driver-7")

    assert issued.key.task == waiting.task
    assert (waiting.row.claimed_by, waiting.row.claimed_at is not None) == ("spark-driver-7", True)
    assert claim(runner.key) is None
    actions = AuditEvent.objects.filter(task=waiting.task).values_list("action", flat=True)
    assert list(actions) == ["received", "job_claimed"]


def test_the_oldest_job_comes_first_and_settled_ones_never(job, runner, alice):
    settled, first, second = job(), job(), job()
    decide(settled.task.pk, person(alice), Verdict.REJECT, comment="no", via=Decision.Via.INBOX)
    assert [claim(runner.key).key.task_id for _ in range(2)] == [first.task.pk, second.task.pk]
    assert claim(runner.key) is None


def test_what_waits_for_people_by_now_can_not_be_claimed(job, job_gate, runner):
    waiting = job()
    Gate.objects.filter(pk=job_gate.pk).update(kind=Gate.Kind.PEOPLE)
    assert claim(keys.find(runner.secret)) is None
    assert waiting.row.claimed_at is None


def test_jobs_that_ended_before_anybody_took_them_are_not_looked_at_again(job, runner):
    for ended in [job() for _ in range(3)]:
        retire(ended.task.pk)
    first = job()
    assert claim(runner.key).key.task == first.task
    assert [one.task_id for one in OutsideJob.objects.all()] == [first.task.pk]


def test_a_runner_gets_no_job_of_another_gate(job, runner):
    job(GateFactory(slug="flink", kind=Gate.Kind.JOB, groups=[TEAM]))
    assert claim(runner.key) is None


@pytest.mark.django_db(transaction=True)
def test_ten_runners_at_once_share_thirty_jobs_without_getting_one_twice(job, runner):
    waiting = {job().task.pk for _ in range(30)}

    def take_three() -> list:
        return [claim(runner.key).key.task_id for _ in range(3)]

    taken = [task_id for some in at_once(*[take_three] * 10) for task_id in some]

    assert len(taken) == 30
    assert set(taken) == waiting


def test_a_key_is_kept_as_a_digest_alone_and_found_by_it(runner, django_assert_num_queries):
    assert runner.secret.startswith("csr_")
    assert runner.secret not in repr(runner)
    assert runner.secret.encode() not in bytes(JobKey.objects.get().digest)
    keys.find(runner.secret)  # notes that it was used
    with django_assert_num_queries(1):
        assert keys.find(runner.secret) == runner.key


@pytest.mark.parametrize("secret", ["", "csr_", "csr_wrong", "csj_\0", "x" * 500, "Bearer csr_x"])
def test_what_is_no_key_finds_none(db, secret):
    with pytest.raises(KeyNotLive):
        keys.find(secret)


def test_a_revoked_key_lets_nobody_in_and_the_record_says_who_revoked_it(runner, ada):
    for _ in range(2):  # two administrators at once, too
        keys.revoke(runner.key, ada)
    with pytest.raises(KeyNotLive):
        keys.find(runner.secret)
    revoked = AuditEvent.objects.get(action="key_revoked")
    assert (revoked.actor, revoked.data["name"]) == (ada, "cluster-1")


def test_waiting_in_line_is_not_the_jobs_fault(job, runner):
    waiting = job(heartbeat_seconds=60)
    assert Heartbeat.objects.get(task=waiting.task).until is None
    key = claim(runner.key).key
    until = Heartbeat.objects.get(task=waiting.task).until
    report.heartbeat(waiting.task.pk, key)
    assert Heartbeat.objects.get(task=waiting.task).until > until
