"""Operating: `manage.py rotate_token_keys` puts every stored secret under the newest key.

Touches the ciphertext of tasks and of quarantined messages, nothing else, and may run beside the
rest. What is under the newest key already is passed over, so a run that was cut short is resumed by
running it again; once nothing is left, the old keys can be dropped.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import models

from approvals.errors import SecretUnreadable
from approvals.models import ApprovalTask, QuarantinedMessage
from approvals.tokens import rotate

BATCH = 1_000
NOWHERE = UUID(int=0)  # before every id


@dataclass(slots=True)
class Count:
    """What a run met, in rows."""

    rotated: int = 0
    newest_already: int = 0
    unreadable: int = 0


class Command(BaseCommand):
    help = "Encrypt every task token and quarantined body anew, under the first of TOKEN_KEYS."

    def handle(self, **options: Any) -> None:
        newest = Fernet(settings.TOKEN_KEYS[0])
        unreadable = 0
        for name, model, field in (
            ("tasks", ApprovalTask, "token_ciphertext"),
            ("quarantined messages", QuarantinedMessage, "body_ciphertext"),
        ):
            count = _rotate_all(model, field, newest)
            self.stdout.write(
                f"{name}: {count.rotated} rotated, {count.newest_already} under the newest key "
                f"already, {count.unreadable} that no key opens"
            )
            unreadable += count.unreadable
        if unreadable:
            raise CommandError(f"No key opens {unreadable}: is one missing from TOKEN_KEYS?")


def _rotate_all(model: type[models.Model], field: str, newest: Fernet) -> Count:
    """In batches by id, each its own transaction, so that nothing is locked for long."""
    count, after = Count(), NOWHERE
    rows = model._default_manager.order_by("pk")
    while batch := list(rows.filter(pk__gt=after).values_list("pk", field)[:BATCH]):
        changed = []
        for pk, ciphertext in batch:
            if _opens(newest, ciphertext):
                count.newest_already += 1
                continue
            try:
                changed.append(model(pk=pk, **{field: rotate(ciphertext)}))
            except SecretUnreadable:
                count.unreadable += 1
        model._default_manager.bulk_update(changed, [field])
        count.rotated += len(changed)
        after = batch[-1][0]
    return count


def _opens(key: Fernet, ciphertext: bytes) -> bool:
    try:
        key.decrypt(bytes(ciphertext))
    except InvalidToken:
        return False
    return True
