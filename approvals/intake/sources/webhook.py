"""MESSAGE IN from whoever can POST: EventBridge API destinations, functions, scripts."""

from collections.abc import Iterator, Mapping

from django.conf import settings
from django.urls import reverse

from approvals.errors import SecretUnreadable
from approvals.findings import Finding, Level
from approvals.intake import keys
from approvals.intake.sources import credentials
from approvals.intake.sources.base import CalledSource
from approvals.models import Source, SourceKey


class Webhook(CalledSource):
    def __init__(self, source: Source) -> None:
        self._source = source

    def verify(self, headers: Mapping[str, str], body: bytes) -> bytes:
        credentials.check(self._source, headers, body)
        return body

    def examine(self) -> Iterator[Finding]:
        address = settings.SITE_URL + reverse("intake", args=[self._source.address])
        yield Finding(Level.OK, f"Callers POST to {address}")
        if self._source.auth == Source.Auth.OAUTH:
            token_address = settings.SITE_URL + reverse("oauth_token")
            yield Finding(Level.OK, f"They get their access tokens at {token_address}")
        if not settings.SITE_URL.startswith("https://"):
            yield Finding(
                Level.WARNING,
                "SITE_URL is not https: keys and messages can be read on the way.",
                "Put a proxy with TLS in front and set SITE_URL and BEHIND_PROXY.",
            )
        yield from examine_keys(self._source)


def examine_keys(source: Source) -> Iterator[Finding]:
    """Whether callers can be let in by the keys that there are."""
    live = list(SourceKey.objects.filter(source=source).defer("secret_ciphertext"))
    if not live:
        yield Finding(
            Level.BAD, "It has no key, so nobody can call.", "Make one on the source's page."
        )
        return
    yield Finding(Level.OK, f"Its live keys: {', '.join(row.key_id for row in live)}.")
    try:
        secrets = keys.live_secrets(source)
    except SecretUnreadable as error:
        yield Finding(Level.BAD, str(error), "Mend TOKEN_KEYS, or revoke the key and make another.")
        return
    for key in secrets:
        signs = key.secret.startswith(keys.SIGNING_PREFIX)
        if source.auth == Source.Auth.HMAC and not signs:
            yield Finding(
                Level.BAD,
                f"{key.key_id} was made for another kind of credential and signs nothing.",
                "Revoke it and make another.",
            )
    for row in live:
        if row.last_used_at is None:
            yield Finding(
                Level.WARNING,
                f"{row.key_id} was never used.",
                "Give it to the caller, or revoke it.",
            )
