"""DECISION, reported instead of taken: the one transaction in which a job settles its own task."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from uuid_utils.compat import uuid7

from approvals.audit.record import Action, event, record
from approvals.decisions.answer import job_output, shaped, signed
from approvals.decisions.rules import settled_words
from approvals.decisions.settle import MOVED_FIELDS, settle
from approvals.engines.base import Limits
from approvals.engines.registry import kind_of
from approvals.errors import AlreadyReported, CannotReport, JobEnded, KeyNotLive, ReportTooLarge
from approvals.models import ApprovalTask, Callback, JobKey
from approvals.outside_jobs.keys import is_live
from approvals.states import TaskStatus


@dataclass(frozen=True, slots=True)
class Report:
    """How a job says that it ended: with `output`, any JSON value, or else with `error`."""

    output: Any = None
    error: str = ""
    cause: str = ""

    @property
    def outcome(self) -> TaskStatus:
        return TaskStatus.FAILED if self.error else TaskStatus.SUCCEEDED


@transaction.atomic
def settle_reported(task_id: UUID, key: JobKey, report: Report) -> ApprovalTask:
    """Settle the task as its job says, and owe the engine the answer.

    The same report again changes nothing and is fine. Raises `CannotReport` with words for whoever
    wrote the job (`KeyNotLive`, `ReportTooLarge`, `AlreadyReported`, `JobEnded`) and
    `ApprovalTask.DoesNotExist`; then nothing has changed.

    1. Lock the task, and ask whether the key is still good.
    2. Settled already? Then the same once more is fine, and anything else is not.
    3. Shape the answer within the engine's limits.
    4. Change the state, put the answer into the outbox, write it on the record.
    """
    # 1
    task = (
        ApprovalTask.objects.select_for_update(of=("self",), no_key=True)
        .select_related("gate", "connection")
        .without_secrets()
        .get(pk=task_id)
    )
    if not is_live(key, task):
        raise KeyNotLive
    # 2
    limits = kind_of(task.connection.kind).limits
    if not task.is_pending:
        _check_said_before(task, report, limits)
        return task
    # 3
    callback = _callback(task, report, uuid7(), limits)
    # 4
    failed = report.outcome == TaskStatus.FAILED
    settled = settle(task, report.outcome, callback)
    task.save(update_fields=MOVED_FIELDS)
    record(
        event(
            Action.JOB_FAILED if failed else Action.JOB_SUCCEEDED,
            task=task,
            runner=key.name,
            key=key.pk,
            error=report.error,
            detail=report.cause[:300],
        ),
        settled,
    )
    return task


def _check_said_before(task: ApprovalTask, report: Report, limits: Limits) -> None:
    """Raises `AlreadyReported` or `JobEnded` unless what was answered is what `report` says."""
    # Not joined to the locked row: who waited for the lock would see it as it was before.
    owed = Callback.objects.filter(task=task).first()
    if owed is None:
        raise JobEnded(settled_words(task))
    same = _callback(task, report, owed.decision_id, limits)
    if (same.kind, same.output, same.error, same.cause) != (
        owed.kind,
        owed.output,
        owed.error,
        owed.cause,
    ):
        raise AlreadyReported(settled_words(task))


def _callback(task: ApprovalTask, report: Report, decision_id: UUID, limits: Limits) -> Callback:
    """The unsaved callback, signed so that an execution's history tells that it was ours."""
    callback = Callback(task=task, decision_id=decision_id)
    if report.outcome == TaskStatus.FAILED:
        callback.kind = Callback.Kind.FAILURE
        callback.error = report.error
        callback.cause = signed(report.cause, f"(reported by its job, {decision_id})", limits)
    else:
        callback.kind = Callback.Kind.SUCCESS
        output = job_output(task, report.outcome, report.output, decision_id)
        callback.output = shaped(task.gate, output)
    try:
        sizes = len(callback.output.encode()), len(callback.error.encode())
    except UnicodeEncodeError:
        raise CannotReport("The report holds half a character, which is no text.") from None
    if sizes[0] > limits.output:
        raise ReportTooLarge(
            f"The workflow takes {limits.output:,} bytes at most, and this output would be "
            f"{sizes[0]:,}. Store it somewhere and report where."
        )
    if sizes[1] > limits.error:
        raise CannotReport(f"The workflow takes an error name of {limits.error} bytes at most.")
    return callback
