"""DECISION, taken before: what was approved counts again where the workflow asks the same anew."""

from approvals.audit.record import Action, event
from approvals.decisions.answer import answer
from approvals.decisions.rules import can_decide
from approvals.decisions.settle import outcome_of, settle
from approvals.engines.registry import kind_of
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, AuditEvent, Callback, Decision, Gate
from approvals.people.eligibility import Person
from approvals.states import CallbackStatus, TaskStatus, Verdict


def carry_over(old: ApprovalTask, new: ApprovalTask) -> list[AuditEvent]:
    """Copy the approvals of `old` to `new`, which asks the same, and settle it if they suffice;
    the events to record. Both are locked, `new` is pending.

    Approvals alone: a rejection was an answer to the try that it ended, and is never repeated by
    a machine. Only of those who may still decide.
    """
    gate = new.gate
    if not gate.carries_over or gate.kind != Gate.Kind.PEOPLE or not _was_in_vain(old):
        return []
    approvals = old.decisions.filter(verdict=Verdict.APPROVE).select_related("reviewer")
    carried = [
        Decision(
            task=new,
            reviewer=one.reviewer,
            verdict=one.verdict,
            comment=one.comment,
            via=Decision.Via.CARRIED_OVER,
            carried_from=one,
            decided_at=one.decided_at,
        )
        for one in approvals.order_by("decided_at")
        if one.reviewer.is_active and can_decide(new, Person(one.reviewer))
    ]
    if not carried:
        return []
    events = [
        event(
            Action.CARRIED_OVER,
            task=new,
            reviewer=one.reviewer.display_name,
            comment=one.comment,
            older=str(old.pk),
            decision=str(one.pk),
        )
        for one in carried
    ]
    outcome = outcome_of(gate, (one.verdict for one in carried))
    if outcome != TaskStatus.PENDING:
        try:
            callback = answer(new, outcome, carried, kind_of(new.connection.kind).limits)
        except CannotDecide:  # too long for the engine by now: people decide anew
            return []
        events.append(
            settle(
                new,
                outcome,
                callback,
                quorum=gate.quorum,
                decisions=[str(one.pk) for one in carried],
            )
        )
    Decision.objects.bulk_create(carried)
    new.approvals = len(carried)
    new.save(update_fields=["status", "settled_at", "approvals"])
    return events


def _was_in_vain(old: ApprovalTask) -> bool:
    """Whether the engine never got an answer for it: it ended undecided, or its step was over
    before the answer came."""
    if old.status == TaskStatus.APPROVED:
        # Not joined to the locked row: who waited for the lock would see it as it was before.
        return Callback.objects.filter(task=old).exclude(status=CallbackStatus.DELIVERED).exists()
    return old.status in (TaskStatus.SUPERSEDED, TaskStatus.EXPIRED, TaskStatus.CANCELLED)
