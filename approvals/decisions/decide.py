"""DECISION: the one transaction in which a reviewer's verdict becomes a fact.

The inbox, links, the API and the admin all come through here.
"""

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from approvals.audit.record import Action, event, record
from approvals.decisions.answer import answer
from approvals.decisions.rules import check_can_decide, check_comment
from approvals.decisions.settle import outcome_of, settle
from approvals.engines.registry import kind_of
from approvals.models import ApprovalTask, Decision
from approvals.people.eligibility import Person
from approvals.states import TaskStatus, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the decision led to: the task as it stands now, and the decision itself."""

    task: ApprovalTask
    decision: Decision


@transaction.atomic
def decide(
    task_id: UUID, person: Person, verdict: Verdict, *, comment: str = "", via: Decision.Via
) -> Outcome:
    """Record one verdict and, if that settles the task, owe the engine its answer.

    Raises `CannotDecide` (`AlreadySettled` if somebody was first) and
    `ApprovalTask.DoesNotExist`; then nothing has changed.

    1. Lock the task: whoever comes second waits here and then sees what the first one did.
    2. Check the rules under the lock.
    3. Record the decision.
    4. Tally all decisions against the gate's quorum.
    5. If that settles it: change the state and put the answer into the outbox.
    6. Write it all on the record.
    """
    comment = comment.strip()
    # 1
    task = (
        ApprovalTask.objects.select_for_update(of=("self",))
        .select_related("gate", "connection")
        .without_secrets()
        .get(pk=task_id)
    )
    # 2
    check_can_decide(task, person)
    check_comment(task, verdict, comment)
    # 3
    decision = Decision.objects.create(
        task=task, reviewer=person.user, verdict=verdict, comment=comment, via=via
    )
    # 4
    decisions = sorted(
        task.decisions.select_related("reviewer"), key=lambda d: (d.pk == decision.pk, d.decided_at)
    )
    decision = decisions[-1]
    outcome = outcome_of(task.gate, (d.verdict for d in decisions))
    task.approvals = sum(d.verdict == Verdict.APPROVE for d in decisions)
    events = [
        event(
            Action.APPROVED if verdict == Verdict.APPROVE else Action.REJECTED,
            task=task,
            actor=person.user,
            comment=comment,
            via=via,
            decision=str(decision.pk),
        )
    ]
    # 5
    if outcome != TaskStatus.PENDING:
        events.append(
            settle(
                task,
                outcome,
                answer(task, outcome, decisions, kind_of(task.connection.kind).limits),
                quorum=task.gate.quorum,
                decisions=[str(d.pk) for d in decisions],
            )
        )
    task.save(update_fields=["status", "settled_at", "approvals"])
    # 6
    record(*events)
    return Outcome(task=task, decision=decision)
