"""Every Celery job, a few lines each. Jobs carry ids and are only nudges: PostgreSQL knows what is
due, so losing one delays something and running one twice is harmless."""

from collections.abc import Callable, Iterable
from uuid import UUID

import structlog
from celery import shared_task

from approvals.callbacks import definitions, deliver, heartbeats, outbox, reconcile
from approvals.decisions import ended, expire, undo
from approvals.notices import expand, forget, outbox as mails, send
from approvals.states import CallbackStatus
from approvals.timers import fire

log = structlog.get_logger(__name__)


@shared_task(name="approvals.deliver_callback")
def deliver_callback(callback_id: str) -> None:
    """Hand one answer to its engine: sent when a decision has been committed."""
    deliver.deliver(UUID(callback_id))


@shared_task(name="approvals.sweep_callbacks")
def sweep_callbacks() -> None:
    """Deliver whatever is due and nobody was told of."""
    _each(outbox.due(CallbackStatus.DUE, CallbackStatus.SENDING), deliver.deliver)


@shared_task(name="approvals.reconcile_callbacks")
def reconcile_callbacks() -> None:
    """Look up answers that were lost."""
    _each(outbox.due(CallbackStatus.UNCONFIRMED), reconcile.reconcile)


@shared_task(name="approvals.send_heartbeats")
def send_heartbeats() -> None:
    """Keep waiting steps alive; retire the tasks of those that have ended."""
    heartbeats.send_due(on_gone=expire.retire)


@shared_task(name="approvals.expire_tasks")
def expire_tasks() -> None:
    """Ask the engines about tasks whose time is up."""
    expire.expire_due()


@shared_task(name="approvals.fire_timers")
def fire_timers() -> None:
    """Remind, escalate, warn, and do what gates do at their deadline."""
    fire.due()


@shared_task(name="approvals.make_final")
def make_final() -> None:
    """Settle what can't be undone any more."""
    undo.make_final_due()


@shared_task(name="approvals.forget_ended_executions")
def forget_ended_executions() -> None:
    """Drop the ends of executions that no message can be waiting for any more."""
    ended.forget()


@shared_task(name="approvals.read_definitions")
def read_definitions() -> None:
    """Read the times that messages did not say: sent when a batch of them has been stored."""
    definitions.read_due()


@shared_task(name="approvals.tell_people")
def tell_people() -> None:
    """Turn what has happened into notices, those into mails, and send them."""
    for step in (expand.expand_due, mails.compose_due, send.send_due):
        try:
            step()
        except Exception as error:  # what was prepared before is sent all the same
            log.error("sweep failed", step=step.__name__, exc_info=error)


@shared_task(name="approvals.forget_mails")
def forget_mails() -> None:
    """Drop mails and links of long ago."""
    forget.forget()


def _each(callback_ids: Iterable[UUID], act: Callable[[UUID], object]) -> None:
    """One that fails in a way nobody thought of does not hold up those behind it."""
    for callback_id in callback_ids:
        try:
            act(callback_id)
        except Exception as error:
            log.error("sweep failed", callback=str(callback_id), exc_info=error)
