"""DECISION: the one transaction in which a reviewer's verdict becomes a fact.

The inbox, links, several at once and the admin all come through here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from approvals.asked.edits import UNCHANGED, for_the_record
from approvals.audit.record import Action, event, record
from approvals.decisions import guard
from approvals.decisions.answer import answer
from approvals.decisions.rules import (
    check_can_decide,
    check_choice,
    check_form,
    check_payload,
    standing_of,
)
from approvals.decisions.settle import (
    MOVED_FIELDS,
    advance,
    following,
    hold,
    outcome_of,
    settle,
    tally_stage,
)
from approvals.engines.registry import kind_of
from approvals.models import ApprovalTask, AuditEvent, Decision
from approvals.people.eligibility import Person
from approvals.people.quorum import Tally
from approvals.states import TaskStatus, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the decision led to: the task as it stands now, and the decision itself."""

    task: ApprovalTask
    decision: Decision


@transaction.atomic
def decide(
    task_id: UUID,
    person: Person,
    verdict: Verdict,
    *,
    via: Decision.Via,
    choice: str = "",
    comment: str = "",
    form: Mapping[str, Any] | None = None,
    payload: Any = UNCHANGED,
    seen: str = "",
    batch: UUID | None = None,
    read_seconds: float | None = None,
    pointed_out: Mapping[str, Any] | None = None,
) -> Outcome:
    """Record one verdict and, if that settles the task, owe the engine its answer.

    `choice` is the key of one that the task offers, blank for plain approving or rejecting;
    `form` what was filled in, by property; `payload` all of it as the reviewer changed it; `seen`
    the digest of what they were shown (`asked.edits.digest`), which has to be what there still is;
    `batch` what was decided together; `read_seconds` how long the task had been open, if that is
    known; `pointed_out` what the door says about several at once (`guard.together`), instead of
    how fast this one was.

    Raises `CannotDecide` (`AlreadySettled` if somebody was first) and
    `ApprovalTask.DoesNotExist`; then nothing has changed.

    1. Lock the task: whoever comes second waits here and then sees what the first one did.
    2. Check the rules under the lock: who, and what.
    3. Record the decision.
    4. Tally all decisions of the stage by its rule.
    5. Go on: to the next stage, or to the outcome, which may still be undone for a while.
    6. Write it all on the record.
    """
    comment = comment.strip()
    # 1
    task = lock(task_id)
    # 2
    seat = check_can_decide(task, person)
    chosen = check_choice(task, verdict, choice, comment)
    check_form(task, chosen, form)
    edits = check_payload(task, verdict, payload, seen)
    if pointed_out is None:
        pointed_out = guard.too_fast(task, person.user, read_seconds)
    # 3
    decision = Decision.objects.create(
        task=task,
        reviewer=person.user,
        on_behalf_of_id=seat.holder if seat.holder != person.user.pk else None,
        for_groups=None if seat.groups is None else sorted(seat.groups),
        stage=task.stage,
        verdict=verdict,
        choice=chosen.key,
        comment=comment,
        form=form,
        edits=edits,
        via=via,
        batch=batch,
        read_seconds=read_seconds,
        pointed_out=pointed_out,
    )
    if edits:
        task.edited_payload = payload
    # 4
    decisions = standing_of(task)
    decision = next(one for one in decisions if one.pk == decision.pk)
    found = tally_stage(task, decisions)
    events = [
        event(
            Action.APPROVED if verdict == Verdict.APPROVE else Action.REJECTED,
            task=task,
            actor=person.user,
            comment=comment,
            via=via,
            decision=str(decision.pk),
            **({"choice": chosen.label} if chosen.key else {}),
            **({"on_behalf_of": str(decision.on_behalf_of)} if decision.on_behalf_of else {}),
            **({"pointed_out": pointed_out} if pointed_out else {}),
        )
    ]
    if edits:
        changes = for_the_record(edits)
        events.append(event(Action.PAYLOAD_CHANGED, task=task, actor=person.user, changed=changes))
    # 5
    events += go_on(task, found, decisions, may_hold=True)
    if task.claimed_by_id == person.user.pk and task.is_pending and not task.settles_at:
        task.claimed_by = task.claimed_at = None  # they have said all they can
    task.save(update_fields=MOVED_FIELDS)
    # 6
    record(*events)
    if task.settles_at:  # by the database's clock
        task.refresh_from_db(fields=["settles_at"])
    return Outcome(task=task, decision=decision)


def lock(task_id: UUID) -> ApprovalTask:
    """The task with its gate and connection, held until the end of the caller's transaction.

    Not joined to who claimed it: who waited for the lock would see that as it was before.
    """
    return (
        ApprovalTask.objects.select_for_update(of=("self",), no_key=True)
        .select_related("gate", "connection")
        .without_secrets()
        .get(pk=task_id)
    )


def go_on(
    task: ApprovalTask, found: Tally, decisions: list[Decision], *, may_hold: bool
) -> list[AuditEvent]:
    """What `found` leads to: nothing yet, the next stage, or the outcome; the events to record.

    Raises `CannotDecide` where the engine would refuse the answer, also where that is only sent
    once nobody can undo it any more.
    """
    if found.outcome == TaskStatus.PENDING:
        return []
    if stage := following(task, found):
        return [advance(task, stage)]
    outcome = outcome_of(task.gate, found)
    task.settled_choice = found.choice
    callback = answer(task, outcome, decisions, kind_of(task.connection.kind).limits)
    if may_hold and (wait := hold(task)):
        task.settles_at = Now() + wait
        return []
    said = [str(one.pk) for one in decisions]
    return [settle(task, outcome, callback, quorum=found.required, decisions=said)]
