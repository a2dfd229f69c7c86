"""OUTSIDE JOBS, third step: what a job says of itself while it runs, and how it ended."""

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from approvals.callbacks.times import EXPIRY_GRACE, seconds_between_heartbeats
from approvals.decisions.report import Report, settle_reported
from approvals.decisions.rules import settled_words
from approvals.errors import JobEnded, KeyNotLive
from approvals.models import ApprovalTask, Heartbeat, JobKey, OutsideJob
from approvals.outside_jobs.keys import is_live


def success(task_id: UUID, key: JobKey, output: object) -> ApprovalTask:
    """The job is done; `output` is any JSON value. Raises as `settle_reported` does."""
    return settle_reported(task_id, key, Report(output=output))


def failure(task_id: UUID, key: JobKey, error: str, cause: str) -> ApprovalTask:
    """The job has failed; `error` is a name that the workflow can catch. Raises likewise."""
    return settle_reported(task_id, key, Report(error=error, cause=cause))


@transaction.atomic
def heartbeat(
    task_id: UUID, key: JobKey, percent: int | None = None, note: str | None = None
) -> ApprovalTask:
    """The job still runs, and so its step is kept alive; what is None stays what it was.

    Raises `JobEnded` where nobody waits for it any more, and `KeyNotLive`.
    """
    task = (
        ApprovalTask.objects.select_for_update(of=("self",), no_key=True)
        .select_related("gate", "connection")
        .without_secrets()
        .defer("payload", "summary", "links")
        .get(pk=task_id)
    )
    if not is_live(key, task):
        raise KeyNotLive
    if not task.is_pending:
        raise JobEnded(settled_words(task))
    said = {"percent": percent, "note": note}
    OutsideJob.objects.filter(task=task).update(
        heard_at=Now(),
        **{name: value for name, value in said.items() if value is not None},
    )
    _keep_alive(task)
    return task


def _keep_alive(task: ApprovalTask) -> None:
    """Go on for as long as the gate allows silence; again, if the job had fallen silent."""
    until = Now() + dt.timedelta(seconds=task.gate.job_silence_seconds)
    if Heartbeat.objects.filter(task=task).update(until=until):
        return
    every = seconds_between_heartbeats(task.connection, task.execution_id, task.heartbeat_seconds)
    if not task.heartbeat_seconds or not every:
        return
    Heartbeat.objects.create(
        task=task,
        connection_id=task.connection_id,
        every=every,
        until=until,
    )
    # The engine need not be asked any more whether it gave up on a silent job.
    ApprovalTask.objects.filter(pk=task.pk).update(
        expiry_due_at=task.deadline + EXPIRY_GRACE if task.deadline else None
    )
