"""MESSAGE IN: what callers show, by what their source asks for. Reads keys, notes when one is used.

Every secret is compared in constant time and against every live key of this one source.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping

from django.utils import timezone

from approvals.intake import keys
from approvals.intake.sources import access_tokens, signature
from approvals.intake.sources.base import CallerRefused
from approvals.models import Source

Headers = Mapping[str, str]

# With the 401: some callers (SNS among them) send credentials only when they are asked.
CHALLENGES: dict[str, str] = {
    Source.Auth.BASIC: 'Basic realm="Countersign"',
    Source.Auth.BEARER: 'Bearer realm="Countersign"',
    Source.Auth.OAUTH: 'Bearer realm="Countersign"',
}


def check(source: Source, headers: Headers, body: bytes) -> None:
    """Passes whoever shows a live key of `source`; raises `CallerRefused` for everybody else."""
    checking = _CHECKS.get(source.auth)
    if checking is None:
        raise CallerRefused(403, "no_way_in", "As it is configured, this address takes nobody.")
    key_id = checking(source, headers, body)
    if key_id is None:
        raise refused(source, "wrong_credentials", "These credentials are not, or no longer, good.")
    keys.mark_used(key_id)


def refused(source: Source, code: str, message: str) -> CallerRefused:
    """A 401 with the challenge that goes with what the source asks for."""
    challenge = CHALLENGES.get(source.auth)
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    return CallerRefused(401, code, message, headers)


def _hmac(source: Source, headers: Headers, body: bytes) -> str | None:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    message_id, timestamp, signatures = (headers.get(name, "") for name in names)
    if not (message_id and timestamp and signatures):
        raise refused(
            source, "no_credentials", "Sign the request: webhook-id, -timestamp and -signature."
        )
    if not signature.is_timely(timestamp, timezone.now().timestamp()):
        raise refused(
            source,
            "not_now",
            "webhook-timestamp has to be in Unix seconds, at most 5 minutes off this clock.",
        )
    return _matching(
        source,
        lambda key: (
            # A key of before, when the source asked for something else, signs nothing.
            key.secret.startswith(keys.SIGNING_PREFIX)
            and signature.is_signed(key.secret, message_id, timestamp, body, signatures)
        ),
    )


def _bearer(source: Source, headers: Headers, body: bytes) -> str | None:
    given = _authorization(source, headers, "Bearer")
    return _matching(source, lambda key: _same(given, key.secret))


def _basic(source: Source, headers: Headers, body: bytes) -> str | None:
    try:
        pair = base64.b64decode(_authorization(source, headers, "Basic"), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    name, _, password = pair.partition(":")
    # Both, whatever the first says.
    return _matching(source, lambda key: _same(name, key.key_id) & _same(password, key.secret))


def _api_key(source: Source, headers: Headers, body: bytes) -> str | None:
    given = headers.get(source.header_name, "")
    if not given:
        raise refused(source, "no_credentials", f"Send the key in the header {source.header_name}.")
    return _matching(source, lambda key: _same(given, key.secret))


def _oauth(source: Source, headers: Headers, body: bytes) -> str | None:
    return access_tokens.key_behind(_authorization(source, headers, "Bearer"), source)


_CHECKS: dict[str, Callable[[Source, Headers, bytes], str | None]] = {
    Source.Auth.HMAC: _hmac,
    Source.Auth.BEARER: _bearer,
    Source.Auth.BASIC: _basic,
    Source.Auth.API_KEY: _api_key,
    Source.Auth.OAUTH: _oauth,
}


def _authorization(source: Source, headers: Headers, scheme: str) -> str:
    """What stands behind `scheme` in the header Authorization."""
    given, _, credentials = headers.get("Authorization", "").strip().partition(" ")
    if given.lower() != scheme.lower() or not credentials.strip():
        raise refused(source, "no_credentials", f"Send the header Authorization: {scheme} ….")
    return credentials.strip()


def _matching(source: Source, is_right: Callable[[keys.IssuedKey], bool]) -> str | None:
    """The id of the live key for which `is_right`; every one is tried."""
    right = [key.key_id for key in keys.live_secrets(source) if is_right(key)]
    return right[0] if right else None


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
