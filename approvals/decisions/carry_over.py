"""DECISION, taken before: what was approved counts again where the workflow asks the same anew."""

from django.db import transaction

from approvals.audit.record import Action, event
from approvals.decisions.decide import go_on
from approvals.decisions.rules import check_choice, check_form
from approvals.decisions.settle import MOVED_FIELDS, tally_stage
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, AuditEvent, Callback, Decision, Gate
from approvals.people.eligibility import Person, Seat, is_requester
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
    if old.edited_payload is not None:  # approved was something else than is asked now
        return []
    approvals = old.decisions.standing().filter(verdict=Verdict.APPROVE)
    before = list(approvals.select_related("reviewer", "on_behalf_of").order_by("decided_at", "id"))
    try:
        with transaction.atomic():
            return _carry(before, old, new)
    except CannotDecide:  # too long for the engine by now: people decide anew, from the first stage
        return []


def _carry(before: list[Decision], old: ApprovalTask, new: ApprovalTask) -> list[AuditEvent]:
    carried: list[Decision] = []
    events: list[AuditEvent] = []
    while True:
        here = [
            _copy(one, new, seat)
            for one in before
            if one.stage == new.stage and (seat := _seat_of(new, one)) and _still_answers(new, one)
        ]
        if not here:
            break
        carried += here
        events += [_event(one, new, old) for one in here]
        stage = new.stage
        events += go_on(new, tally_stage(new, carried), carried, may_hold=False)
        if new.stage == stage:
            break
    Decision.objects.bulk_create(carried)
    new.save(update_fields=MOVED_FIELDS)
    return events


def _seat_of(new: ApprovalTask, one: Decision) -> Seat | None:
    """The place from which they decided, if they may still do so at its stage."""
    if not one.reviewer.is_active:
        return None
    if new.gate.exclude_requester and is_requester(one.reviewer, new):
        return None
    holder = one.on_behalf_of_id or one.reviewer_id
    seats = Person(one.reviewer).seats_at(new, [])
    return next((seat for seat in seats if seat.holder == holder), None)


def _still_answers(new: ApprovalTask, one: Decision) -> bool:
    """Whether what is asked now is what they chose from and filled in."""
    try:
        choice = check_choice(new, Verdict(one.verdict), one.choice, one.comment)
        check_form(new, choice, one.form)
    except CannotDecide:
        return False
    return True


def _copy(one: Decision, new: ApprovalTask, seat: Seat) -> Decision:
    """It counts for the teams of that place as they are now."""
    return Decision(
        task=new,
        reviewer=one.reviewer,
        on_behalf_of=one.on_behalf_of,
        for_groups=None if seat.groups is None else sorted(seat.groups),
        stage=one.stage,
        verdict=one.verdict,
        choice=one.choice,
        comment=one.comment,
        form=one.form,
        via=Decision.Via.CARRIED_OVER,
        carried_from=one,
        decided_at=one.decided_at,
    )


def _event(one: Decision, new: ApprovalTask, old: ApprovalTask) -> AuditEvent:
    return event(
        Action.CARRIED_OVER,
        task=new,
        reviewer=one.reviewer.display_name,
        comment=one.comment,
        older=str(old.pk),
        decision=str(one.pk),
    )


def _was_in_vain(old: ApprovalTask) -> bool:
    """Whether no answer of it has reached the engine: it ended without one, or its step was over
    before it came. That a gate failed the step at its deadline is an answer, too."""
    if old.status == TaskStatus.REJECTED:
        return False
    # Not joined to the locked row: who waited for the lock would see it as it was before.
    return not Callback.objects.filter(task=old, status=CallbackStatus.DELIVERED).exists()
