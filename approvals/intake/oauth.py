"""MESSAGE IN: where OAuth callers exchange their key for an access token (RFC 6749, section 4.4).

Tries are not counted: a secret has 256 random bits, so guessing is hopeless, and a counter would
cost the database more than the one look-up that a wrong try takes.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from oauthlib.oauth2 import BackendApplicationServer, OAuth2Error, RequestValidator
from oauthlib.oauth2.rfc6749.errors import InvalidRequestError

from approvals.intake import keys
from approvals.intake.http import for_programs, read_body
from approvals.intake.sources import access_tokens
from approvals.models import Source, SourceKey
from approvals.tokens import decrypt

log = structlog.get_logger(__name__)

MAX_BYTES = 16_384
FORM = "application/x-www-form-urlencoded"

_KEY_ID = re.compile(r"[\w-]{1,40}", re.ASCII)


@for_programs
def token(request: HttpRequest) -> HttpResponse:
    """`{"access_token", "expires_in", "token_type"}`, or an error as the RFC words it."""
    body = read_body(request, MAX_BYTES)
    try:
        text, status = _exchange(request, body)
    except OAuth2Error as error:
        text, status = error.json, error.status_code
    answer = HttpResponse(text, status=status, content_type="application/json")
    if status != 200:
        log.warning("access token refused", status=status)
    if status == 401:
        answer["WWW-Authenticate"] = 'Basic realm="Countersign"'
    return answer


def _exchange(request: HttpRequest, body: bytes) -> tuple[str, int]:
    """The answer as JSON, and its status. Raises `OAuth2Error`."""
    if request.META.get("QUERY_STRING"):
        raise InvalidRequestError("Send everything in the body: addresses end up in logs.")
    if request.content_type != FORM:
        raise InvalidRequestError(f"Send Content-Type: {FORM}.")
    _, text, status = _server.create_token_response(
        request.path,
        body=body.decode(errors="replace"),
        headers={"Authorization": request.headers.get("Authorization", "")},
    )
    return text, status


@dataclass(frozen=True, slots=True)
class _Client:
    """A caller who has shown a live key."""

    client_id: str


class _Validator(RequestValidator):  # type: ignore[misc]
    """What oauthlib asks about callers. Nobody has scopes here: a key opens its one address."""

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        client_id, secret = _basic(request.headers.get("Authorization", "")) or (
            request.client_id or "",
            request.client_secret or "",
        )
        request.client = _client(client_id, secret)
        return request.client is not None

    def validate_grant_type(self, *args: Any, **kwargs: Any) -> bool:
        return True  # oauthlib has compared it

    def get_default_scopes(self, *args: Any, **kwargs: Any) -> None:
        return None

    def validate_scopes(self, client_id: str, scopes: Any, *args: Any, **kwargs: Any) -> bool:
        return not scopes

    def save_bearer_token(self, token: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        keys.mark_used(request.client.client_id)


_server = BackendApplicationServer(
    _Validator(),
    token_generator=lambda request: access_tokens.make(request.client.client_id),
    token_expires_in=access_tokens.LIFETIME_SECONDS,
)


def _client(client_id: str, secret: str) -> _Client | None:
    """Whose key this is, if its source is switched on and asks for OAuth."""
    if not _KEY_ID.fullmatch(client_id):  # PostgreSQL takes no NUL
        return None
    key = SourceKey.objects.filter(
        key_id=client_id,
        source__auth=Source.Auth.OAUTH,
        source__enabled=True,
        source__kind__in=Source.CALLED,
    ).first()
    if key is None:
        return None
    expected = decrypt(key.secret_ciphertext).encode()
    if not hmac.compare_digest(secret.encode("utf-8", "replace"), expected):
        return None
    return _Client(client_id=key.key_id)


def _basic(header: str) -> tuple[str, str] | None:
    """Name and password of HTTP Basic; None where the header holds nothing of the kind."""
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return name, password
