"""DECISION, for a moment not final: a gate may let a decision be taken back before it counts.

Meanwhile the task is still pending, so that nothing has to be taken back of the engine or of a
lifecycle. A worker makes the outcome final when the time is up.
"""

from uuid import UUID

import structlog
from django.db import transaction
from django.db.models.functions import Now

from approvals.audit.record import Action, event, record
from approvals.decisions.decide import go_on, lock
from approvals.decisions.rules import settled_words, standing_of
from approvals.decisions.settle import MOVED_FIELDS, tally_stage
from approvals.errors import AlreadySettled, CannotDecide
from approvals.models import ApprovalTask, User
from approvals.states import TaskStatus

log = structlog.get_logger(__name__)

BATCH = 200


@transaction.atomic
def undo(task_id: UUID, user: User) -> ApprovalTask:
    """Take `user`'s own decision back, and have the task wait again.

    Raises `AlreadySettled` where it is too late and `CannotDecide` where there is nothing to undo.
    """
    task = lock(task_id)
    if not task.is_pending:
        raise AlreadySettled(f"Too late to undo: {settled_words(task)}")
    decisions = standing_of(task)
    last = decisions[-1] if decisions else None
    if last is None or last.reviewer_id != user.pk or task.settles_at is None:
        raise CannotDecide("There is nothing here that you can undo.")
    last.withdrawn_at = Now()
    last.save(update_fields=["withdrawn_at"])
    tally_stage(task, decisions[:-1])
    task.settles_at, task.settled_choice = None, ""
    if last.edits:
        task.edited_payload = None
    task.save(update_fields=MOVED_FIELDS)
    record(event(Action.UNDONE, task=task, actor=user, decision=str(last.pk)))
    return task


def make_final_due() -> int:
    """Settle what can't be undone any more; how many tasks that were."""
    due = ApprovalTask.objects.pending().filter(settles_at__lte=Now()).order_by("settles_at")
    tasks = list(due.values_list("pk", flat=True)[:BATCH])
    for task_id in tasks:
        try:
            make_final(task_id)
        except Exception as error:  # checked when it was decided; an operator has to look
            log.error("can't make final", task=str(task_id), error=str(error))
    return len(tasks)


@transaction.atomic
def make_final(task_id: UUID) -> bool:
    """Settle one task as it was decided; False if it is not due (any more)."""
    due = ApprovalTask.objects.pending().filter(pk=task_id, settles_at__lte=Now())
    if not due.select_for_update(no_key=True).exists():
        return False
    task = lock(task_id)
    decisions = standing_of(task)
    found = tally_stage(task, decisions)
    events = go_on(task, found, decisions, may_hold=False)
    if found.outcome == TaskStatus.PENDING:
        task.settles_at, task.settled_choice = None, ""
        events = [event(Action.UNDONE, task=task, reason="Its gate requires more by now.")]
    task.save(update_fields=MOVED_FIELDS)
    record(*events)
    return True
