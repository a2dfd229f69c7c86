"""CALLBACK OUT, what goes with a request: nothing, a fixed header, or an access token.

Errors are returned, not raised, wherever a frame holds a secret. Not having a credential is never
the callback's fault, so each of them is an `EngineUnavailable`: somebody mends it, it goes on.
"""

import json
import re
import ssl
import threading
import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote_plus, urlencode

from approvals.engines.addresses import Address, Entry, parse
from approvals.engines.base import EngineConfig
from approvals.engines.exchange import Answer, post
from approvals.errors import EngineError, EngineUnavailable
from approvals.tokens import decrypt

FETCH = 12.0  # seconds for one access token; with the call itself far below the lease of 45 s
WAIT = 5.0  # seconds behind a thread that is fetching one
EARLY = 60.0  # seconds before it ends that an access token is replaced
UNTOLD, LONGEST = 300.0, 86_400.0  # seconds that one lives where nobody says so, and at most

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,60}")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")  # what any server takes
_WORD = re.compile(r"[\w.-]{1,60}", re.ASCII)
_OURS = re.compile(
    r"accept-encoding|connection|content-.*|countersign-.*|expect|host|idempotency-key|keep-alive"
    r"|proxy-.*|te|trailer|transfer-encoding|upgrade|user-agent"
)


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token and the seconds that it lives."""

    token: str = field(repr=False)
    seconds: float


class Credential(ABC):
    """One of an engine's, shared by its threads."""

    @abstractmethod
    def headers(self) -> dict[str, str] | EngineUnavailable:
        """What to add to a request. Raises `SecretUnreadable`."""

    def forget(self, headers: dict[str, str]) -> bool:
        """The other side refuses these `headers`; True if the next ones will differ."""
        return False


class Fixed(Credential):
    """No header, or one that stays the same."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config

    def headers(self) -> dict[str, str] | EngineUnavailable:
        config = self._config
        if config.auth in ("", "none"):
            return {}
        name = "Authorization" if config.auth == "bearer" else config.header_name
        if not is_free_header(name):
            return no_credential("The credential's header has no name, or one that is not free.")
        secret = decrypt(config.secret) if config.secret else ""
        if not _HEADER_VALUE.fullmatch(secret):
            return no_credential("The secret is blank or holds characters that no header carries.")
        return {name: f"Bearer {secret}" if config.auth == "bearer" else secret}


class AccessTokens(Credential):
    """Tokens that are fetched when they are wanted and kept until a minute before they end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._headers: dict[str, str] = {}
        self._until = float("-inf")

    @abstractmethod
    def _fetch(self, within: float) -> Grant | EngineUnavailable:
        """A new access token, after at most about `within` seconds."""

    def headers(self) -> dict[str, str] | EngineUnavailable:
        if not self._lock.acquire(timeout=WAIT):
            return no_credential("No access token came in time.", code="TokenUnavailable")
        try:
            if time.monotonic() >= self._until:
                grant = self._fetch(FETCH)
                if isinstance(grant, EngineUnavailable):
                    return grant
                if not _HEADER_VALUE.fullmatch(grant.token):
                    return no_credential("What came was no access token.", code="TokenUnavailable")
                self._headers = {"Authorization": f"Bearer {grant.token}"}
                self._until = time.monotonic() + grant.seconds - EARLY
            return dict(self._headers)
        finally:
            self._lock.release()

    def forget(self, headers: dict[str, str]) -> bool:
        if headers == self._headers:  # without the lock: at worst one more is fetched
            self._until = float("-inf")
        return True


class ClientCredentials(AccessTokens):
    """OAuth 2 client credentials (RFC 6749, 4.4), from the address that the operator gave."""

    def __init__(
        self, config: EngineConfig, entries: Sequence[Entry], trusting: ssl.SSLContext
    ) -> None:
        super().__init__()
        self._config, self._trusting = config, trusting
        self._to = admit_for_tokens(config.token_url, entries)

    def _fetch(self, within: float) -> Grant | EngineUnavailable:
        config, to = self._config, self._to
        if isinstance(to, str) or not (config.key_id and config.secret):
            return no_credential(
                to if isinstance(to, str) else "The client's id or secret is blank."
            )
        secret = decrypt(config.secret)
        form = {"grant_type": "client_credentials"} | (
            {"scope": config.scope} if config.scope else {}
        )
        # Every server takes Basic, says the RFC; some take the secret in the body alone.
        pair = f"{quote_plus(config.key_id)}:{quote_plus(secret)}"
        basic = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        in_body = {"client_id": config.key_id, "client_secret": secret}
        until = time.monotonic() + within
        for headers, fields in ((basic, form), ({}, form | in_body)):
            answer = post(
                to,
                {**headers, "Content-Type": "application/x-www-form-urlencoded"},
                urlencode(fields).encode(),
                trusting=self._trusting,
                within=until - time.monotonic(),
            )
            if not isinstance(answer, Answer) or answer.status not in (400, 401):
                break
        return read_grant(answer)


def is_free_header(name: str) -> bool:
    """Whether a credential can go in this header: well-formed, and not one that we send."""
    return bool(_HEADER_NAME.fullmatch(name)) and not _OURS.fullmatch(name.lower())


def admit_for_tokens(url: str, entries: Sequence[Entry]) -> Address | str:
    """Where an operator says that tokens come from: https and public, unless their list of hosts
    says otherwise by an entry with a scheme."""
    address = parse(url)
    if isinstance(address, str):
        return "The token address has to be https://host/path."
    in_house = any(entry.in_house and entry.admits(address) for entry in entries)
    if address.scheme != "https" and not in_house:
        return "The token address is not https."
    return replace(address, in_house=in_house)


def read_grant(answer: Answer | EngineError) -> Grant | EngineUnavailable:
    """What a token endpoint answered (RFC 6749, 5.1)."""
    if isinstance(answer, EngineError):
        return no_credential(f"No access token: {answer}", code="TokenUnavailable")
    try:
        said = json.loads(answer.body or b"")
    except (ValueError, RecursionError):
        said = None
    said = said if isinstance(said, dict) else {}
    if answer.status != 200:
        code = "AccessDenied" if 400 <= answer.status < 500 else "TokenUnavailable"
        word = said.get("error")
        known = isinstance(word, str) and _WORD.fullmatch(word)
        return no_credential(
            f"The token address answered {answer.status}{f' ({word})' if known else ''}.", code=code
        )
    token = said.get("access_token")
    try:
        seconds = float(said["expires_in"])
    except (KeyError, TypeError, ValueError, OverflowError):
        seconds = UNTOLD
    seconds = min(seconds, LONGEST) if seconds >= 0 else UNTOLD  # NaN is not
    return Grant(token if isinstance(token, str) else "", seconds)


def no_credential(words: str, code: str = "NoCredentials") -> EngineUnavailable:
    return EngineUnavailable(words, code=code)
