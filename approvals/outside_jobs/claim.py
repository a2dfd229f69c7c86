"""OUTSIDE JOBS, second step: a runner, or a person, takes a job and gets the key to report on it.

From then on the job speaks for itself: its step is kept alive only while it is heard of.
"""

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from approvals.audit.record import Action, event, record
from approvals.decisions.rules import check_can_decide
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, Gate, Heartbeat, JobKey, OutsideJob
from approvals.outside_jobs.keys import Issued, issue_job_key
from approvals.people.eligibility import Person
from approvals.states import TaskStatus


@transaction.atomic
def claim(runner: JobKey, name: str = "") -> Issued | None:
    """Take the oldest waiting job of the runner's gate; None if there is none.

    `issued.key.task` is the task. Locked rows are skipped: two runners never get one job.
    """
    gate = runner.gate
    assert gate, "a runner's key belongs to a gate"
    if gate.kind != Gate.Kind.JOB:  # any more: people decide what waits there now
        return None
    job = _next(gate)
    if job is None:
        return None
    job.claimed_at, job.claimed_by = Now(), (name or runner.name)[:100]
    job.save(update_fields=["claimed_at", "claimed_by"])
    job.task.gate = gate
    Heartbeat.objects.filter(task=job.task_id).update(
        until=Now() + dt.timedelta(seconds=gate.job_silence_seconds)
    )
    issued = issue_job_key(job.task, job.claimed_by)
    record(
        event(
            Action.JOB_CLAIMED,
            task=job.task,
            runner=job.claimed_by,
            runner_key=runner.pk,
            key=issued.key.pk,
        )
    )
    return issued


def _next(gate: Gate) -> OutsideJob | None:
    """The oldest job that waits, locked with its task; by the index of unclaimed jobs alone.

    In one query with its task PostgreSQL may walk all tasks there ever were.
    """
    jobs = OutsideJob.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        gate=gate, claimed_at=None
    )
    tasks = ApprovalTask.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
    left = jobs.order_by("task_id")
    while job := left.first():
        task = tasks.without_secrets().filter(pk=job.task_id).first()
        if task and task.is_pending:
            job.task = task
            return job
        if task:  # its step ended before anybody took it: no runner looks at such again
            ended = jobs.exclude(task__status=TaskStatus.PENDING).values_list("pk", flat=True)
            OutsideJob.objects.filter(pk__in=list(ended)).delete()
        left = left.filter(task_id__gt=job.task_id)
    return None


@transaction.atomic
def start_by_hand(task_id: UUID, person: Person) -> Issued:
    """A key for a job that a person starts; no runner gets that job any more.

    The step is kept alive until the job is first heard of, since nobody knows when it starts.
    Whoever may settle the task may do this; raises `CannotDecide`, `ApprovalTask.DoesNotExist`.
    """
    task = (
        ApprovalTask.objects.select_for_update(of=("self",), no_key=True)
        .select_related("gate")
        .without_secrets()
        .get(pk=task_id)
    )
    if task.gate.kind != Gate.Kind.JOB:
        raise CannotDecide("This task waits for people, not for a job.")
    check_can_decide(task, person)
    name = f"{person.user.display_name}, by hand"[:100]
    job, _ = OutsideJob.objects.get_or_create(task=task, defaults={"gate": task.gate})
    if job.claimed_at is None:
        job.claimed_at, job.claimed_by = Now(), name
        job.save(update_fields=["claimed_at", "claimed_by"])
    issued = issue_job_key(task, name)
    record(event(Action.KEY_ISSUED, task=task, actor=person.user, key=issued.key.pk))
    return issued
