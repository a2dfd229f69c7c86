"""Every Celery job, a few lines each. Jobs carry ids and are only nudges: PostgreSQL knows what is
due, so losing one delays something and running one twice is harmless."""

from uuid import UUID

from celery import shared_task

from approvals.callbacks import deliver, heartbeats, outbox, reconcile
from approvals.decisions import expire
from approvals.states import CallbackStatus


@shared_task(name="approvals.deliver_callback")
def deliver_callback(callback_id: str) -> None:
    """Hand one answer to its engine: sent when a decision has been committed."""
    deliver.deliver(UUID(callback_id))


@shared_task(name="approvals.sweep_callbacks")
def sweep_callbacks() -> None:
    """Deliver whatever is due and nobody was told of."""
    for callback_id in outbox.due(CallbackStatus.DUE, CallbackStatus.SENDING):
        deliver.deliver(callback_id)


@shared_task(name="approvals.reconcile_callbacks")
def reconcile_callbacks() -> None:
    """Look up answers that were lost."""
    for callback_id in outbox.due(CallbackStatus.UNCONFIRMED):
        reconcile.reconcile(callback_id)


@shared_task(name="approvals.send_heartbeats")
def send_heartbeats() -> None:
    """Keep waiting steps alive; retire the tasks of those that have ended."""
    heartbeats.send_due(on_gone=expire.retire)


@shared_task(name="approvals.expire_tasks")
def expire_tasks() -> None:
    """Ask the engines about tasks whose time is up."""
    expire.expire_due()
