"""MESSAGE IN: the bearer tokens that OAuth callers get for their key, good for an hour.

Nothing is stored: a token is the signed id of the key. It is worth as much as that key is, so a key
that is revoked, or a source that is switched off, ends it at once.
"""

from django.core import signing

from approvals.models import Source, SourceKey

LIFETIME_SECONDS = 3_600

_SALT = "countersign.access-token"


def make(key_id: str) -> str:
    return signing.dumps(key_id, salt=_SALT)


def key_behind(token: str, source: Source) -> str | None:
    """The id of the live key of `source` that `token` was given for; None if there is none."""
    try:
        key_id = signing.loads(token, salt=_SALT, max_age=LIFETIME_SECONDS)
    except signing.BadSignature:
        return None
    return (
        SourceKey.objects.filter(source=source, key_id=key_id)
        .values_list("key_id", flat=True)
        .first()
    )
