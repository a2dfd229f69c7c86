"""Operating: `manage.py rotate_token_keys` puts every stored secret under the newest key.

Touches the ciphertext of tasks, quarantined messages, connections and sources' keys, nothing else,
and may run beside the rest. What is under the newest key already is passed over, so a run that was
cut short is resumed by running it again; once nothing is left, the old keys can be dropped.
"""

from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from approvals.errors import SecretUnreadable
from approvals.models import ApprovalTask, Connection, QuarantinedMessage, SourceKey
from approvals.tokens import rotate

BATCH = 1_000
SECRETS: tuple[tuple[str, type[models.Model], str], ...] = (
    ("tasks", ApprovalTask, "token_ciphertext"),
    ("quarantined messages", QuarantinedMessage, "body_ciphertext"),
    ("connections", Connection, "secret_ciphertext"),
    ("keys of sources", SourceKey, "secret_ciphertext"),
)


@dataclass(slots=True)
class Count:
    """What a run met, in rows."""

    rotated: int = 0
    newest_already: int = 0
    unreadable: int = 0


class Command(BaseCommand):
    help = "Encrypt every token, quarantined body and credential anew, by the first of TOKEN_KEYS."

    def handle(self, **options: Any) -> None:
        newest = Fernet(settings.TOKEN_KEYS[0])
        unreadable = 0
        for name, model, field in SECRETS:
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
    count, after = Count(), None
    while True:
        with transaction.atomic():
            after = _rotate_batch(model, field, newest, after, count)
        if after is None:
            return count


def _rotate_batch(
    model: type[models.Model], field: str, newest: Fernet, after: Any, count: Count
) -> Any:
    """The id of the last row, or None if there was none. Locked, since a connection may be given
    another secret meanwhile."""
    rows = model._default_manager.exclude(**{field: b""}).order_by("pk")
    rows = rows.filter(pk__gt=after) if after is not None else rows
    locked = rows.select_for_update(no_key=True).values_list("pk", field)[:BATCH]
    last, changed = None, []
    for last, ciphertext in locked:
        if _opens(newest, ciphertext):
            count.newest_already += 1
            continue
        try:
            changed.append(model(pk=last, **{field: rotate(ciphertext)}))
        except SecretUnreadable:
            count.unreadable += 1
    model._default_manager.bulk_update(changed, [field])
    count.rotated += len(changed)
    return last


def _opens(key: Fernet, ciphertext: bytes) -> bool:
    try:
        key.decrypt(bytes(ciphertext))
    except InvalidToken:
        return False
    return True
