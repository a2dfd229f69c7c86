"""MESSAGE IN, the side track: what an operator can do with a message that was not understood."""

from uuid import UUID

from django.db import transaction

from approvals.audit.record import Action, event, record
from approvals.intake.accept import Acceptance, accept
from approvals.models import QuarantinedMessage, User
from approvals.tokens import decrypt

Status = QuarantinedMessage.Status


@transaction.atomic
def replay(message_id: UUID, *, actor: User) -> Acceptance | None:
    """Accept a held message once more; None if it is no longer held.

    The row is locked, so that two operators at once make one task. If it is still not understood
    it stays, with the new reason.
    """
    held = _held(message_id)
    if held is None:
        return None
    [acceptance] = accept(held.source, [decrypt(held.body_ciphertext)])
    if acceptance.problem:
        held.code = acceptance.problem.code
        held.reason = str(acceptance.problem)[:500]
    else:
        held.status = Status.REPLAYED
        held.task_id = acceptance.task_id
        record(event(Action.QUARANTINE_REPLAYED, task=held.task, actor=actor, message=str(held.pk)))
    held.save(update_fields=["code", "reason", "status", "task"])
    return acceptance


@transaction.atomic
def discard(message_id: UUID, *, reason: str, actor: User) -> bool:
    """Put a held message aside for good, on the record; False if it is no longer held."""
    held = _held(message_id)
    if held is None:
        return False
    held.status, held.discard_reason = Status.DISCARDED, reason
    held.save(update_fields=["status", "discard_reason"])
    record(event(Action.QUARANTINE_DISCARDED, actor=actor, message=str(held.pk), reason=reason))
    return True


def _held(message_id: UUID) -> QuarantinedMessage | None:
    return (
        QuarantinedMessage.objects.select_for_update(of=("self",))
        .select_related("source__connection", "source__gate")
        .filter(pk=message_id, status=Status.HELD)
        .first()
    )
