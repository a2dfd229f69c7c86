"""The one way to write the record. Called inside the transaction that changes the state."""

from typing import Any

from django.db import connection

from approvals.models import ApprovalTask, AuditEvent, User

Action = AuditEvent.Action


def event(
    action: Action, *, task: ApprovalTask | None = None, actor: User | None = None, **data: Any
) -> AuditEvent:
    """An unsaved event. `data` is JSON for people to read; never a token, never a whole payload."""
    return AuditEvent(
        action=action,
        task=task,
        actor=actor,
        actor_name=actor.display_name if actor else "",
        data=data,
    )


def record(*events: AuditEvent) -> None:
    """Write events in the caller's transaction: a change and its event commit together."""
    assert connection.in_atomic_block, "an audit event belongs into the transaction of its change"
    AuditEvent.objects.bulk_create(events)
