"""MESSAGE IN, who may call: the keys of a source's address. Made, shown once and revoked here."""

import base64
import datetime as dt
import secrets
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from approvals.audit.record import Action, event, record
from approvals.errors import CountersignError
from approvals.models import Source, SourceKey, User
from approvals.tokens import decrypt, encrypt

SIGNING_PREFIX = "whsec_"  # of Standard Webhooks; what follows is Base64
SECRET_BYTES = 32
USED_EVERY = dt.timedelta(minutes=1)  # how exact `last_used_at` is


class TooManyKeys(CountersignError):
    """This source has two live keys already. Revoke the one that is no longer used."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A live key with its secret, as callers have it."""

    key_id: str
    secret: str = field(repr=False)


def issue(source: Source, actor: User | None) -> IssuedKey:
    """A new key, its secret fit for what `source.auth` asks of callers.

    This is the one time that the secret may be shown. Raises `TooManyKeys`.
    """
    key = IssuedKey(key_id=f"key-{secrets.token_hex(8)}", secret=_secret(source))
    with transaction.atomic():
        # Two administrators at once would otherwise make three.
        Source.objects.select_for_update().only("pk").get(pk=source.pk)
        if SourceKey.objects.filter(source=source).count() >= SourceKey.LIVE:
            raise TooManyKeys
        SourceKey.objects.create(
            source=source, key_id=key.key_id, secret_ciphertext=encrypt(key.secret)
        )
        record(event(Action.KEY_ISSUED, actor=actor, source=source.name, key=key.key_id))
    return key


def revoke(key: SourceKey, actor: User | None) -> bool:
    """Callers who show it are refused from now on; False if somebody was first."""
    with transaction.atomic():
        deleted, _ = SourceKey.objects.filter(pk=key.pk).delete()
        if deleted:
            record(event(Action.KEY_REVOKED, actor=actor, source=key.source.name, key=key.key_id))
    return bool(deleted)


def live_secrets(source: Source) -> list[IssuedKey]:
    """The live keys of one source, the oldest first; raises `SecretUnreadable`."""
    return [
        IssuedKey(key_id=key.key_id, secret=decrypt(key.secret_ciphertext))
        for key in SourceKey.objects.filter(source=source)
    ]


def mark_used(key_id: str) -> None:
    """Once a minute at most, so that callers of one key don't queue up for its row."""
    SourceKey.objects.filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lt=Now() - USED_EVERY), key_id=key_id
    ).update(last_used_at=Now())


def _secret(source: Source) -> str:
    if source.auth == Source.Auth.HMAC:
        return SIGNING_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    # A prefix by which scanners find keys that were committed to a repository by mistake.
    return "csk_" + secrets.token_urlsafe(SECRET_BYTES)
