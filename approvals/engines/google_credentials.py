"""CALLBACK OUT, what goes with a request to Google; the only file with google-auth.

With a service account's key its HTTP goes through our own `post`, to Google's token endpoint
alone. Without one the process' own identity is asked for (application default credentials), which
speaks to whatever the machine it runs on says: a metadata server, a token exchange.
"""

import datetime as dt
import json
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any

import google.auth
import urllib3
from google.auth import exceptions, transport
from google.auth.transport.urllib3 import Request
from google.oauth2 import service_account

from approvals.engines.addresses import Address, Entry
from approvals.engines.base import EngineConfig
from approvals.engines.credentials import (
    UNTOLD,
    AccessTokens,
    Grant,
    admit_for_tokens,
    no_credential,
    read_grant,
)
from approvals.engines.exchange import TALK, Answer, post
from approvals.errors import EngineError, EngineUnavailable
from approvals.tokens import decrypt

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_HOST = "oauth2.googleapis.com"  # noqa: S105 - a host
# The one method that sends an answer: an access token could do far more at the same host.
_CALLBACK = re.compile(
    r"/v1(beta)?/projects/[\w.:-]+/locations/[\w-]+/workflows/[\w-]+/executions/[\w-]+"
    r"/callbacks/[\w.~-]+",
    re.ASCII,
)


def problem_with(address: Address) -> str:
    """Why Google's access token must not go to `address`, which was admitted; "" if it may."""
    if address.in_house:  # an emulator, which the operator wrote down with its scheme
        return ""
    if not address.host.endswith(".googleapis.com"):
        return f"A Google credential goes to googleapis.com alone, not to “{address.host}”."
    if not _CALLBACK.fullmatch(address.target):
        return "This is no callback of Google Workflows, and a Google credential goes nowhere else."
    return ""


class GoogleTokens(AccessTokens):
    def __init__(
        self, config: EngineConfig, entries: Sequence[Entry], trusting: ssl.SSLContext
    ) -> None:
        super().__init__()
        self._config, self._entries, self._trusting = config, entries, trusting
        self._scopes = config.scope.split() or [SCOPE]

    def _fetch(self, within: float) -> Grant | EngineUnavailable:
        if not self._config.secret:
            return self._own(time.monotonic() + within)
        secret = decrypt(self._config.secret)
        try:
            info = json.loads(secret)
            account = service_account.Credentials.from_service_account_info(
                info, scopes=self._scopes
            )
            to = admit_for_tokens(info["token_uri"], self._entries)
        except (ValueError, TypeError, KeyError, AttributeError, exceptions.GoogleAuthError):
            return no_credential("The secret is not the JSON key of a Google service account.")
        if isinstance(to, str) or not (to.in_house or to.host == TOKEN_HOST):
            return no_credential("The key's token address is not Google's.")
        safe = _Safe(to, self._trusting, time.monotonic() + within)
        try:
            account.refresh(safe)
        except exceptions.GoogleAuthError:
            return _no_token(safe.last)
        return _grant(account)

    def _own(self, until: float) -> Grant | EngineUnavailable:
        try:
            request = _Bounded(until)
            own, _ = google.auth.default(scopes=self._scopes, request=request)
            own.refresh(request)
        except exceptions.DefaultCredentialsError:
            return no_credential("This machine has no Google identity of its own.")
        except exceptions.GoogleAuthError as error:
            name = type(error).__name__
            return no_credential(f"Google gave no access token ({name}).", code="TokenUnavailable")
        return _grant(own)


def _grant(account: Any) -> Grant:
    if account.expiry is None:
        return Grant(account.token or "", UNTOLD)
    ends = account.expiry.replace(tzinfo=dt.UTC)  # google-auth's times are UTC and do not say so
    return Grant(account.token or "", (ends - dt.datetime.now(dt.UTC)).total_seconds())


def _no_token(last: Answer | EngineError | None) -> EngineUnavailable:
    grant = read_grant(last) if last else None
    if isinstance(grant, EngineUnavailable):
        return grant
    return no_credential("Google gave no access token.", code="TokenUnavailable")


class _Said(transport.Response):  # type: ignore[misc]
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        return {}

    @property
    def data(self) -> bytes:
        return self._answer.body or b""


class _Safe(transport.Request):  # type: ignore[misc]
    """google-auth's way out: to `to` and nowhere else, whatever it asks for."""

    def __init__(self, to: Address, trusting: ssl.SSLContext, until: float) -> None:
        self._to, self._trusting, self._until = to, trusting, until
        self.last: Answer | EngineError | None = None

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> transport.Response:
        left = self._until - time.monotonic()
        if method != "POST" or left <= 0:
            raise exceptions.TransportError("Only a POST, in time.")
        self.last = post(self._to, headers or {}, body or b"", trusting=self._trusting, within=left)
        if isinstance(self.last, EngineError):
            raise exceptions.TransportError("No answer.")
        return _Said(self.last)


class _Bounded(Request):  # type: ignore[misc]
    """google-auth's own transport, without redirects or tries of its own, and within a time."""

    def __init__(self, until: float) -> None:
        super().__init__(urllib3.PoolManager(retries=False))
        self._until = until

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:
        left = self._until - time.monotonic()
        if left <= 0:
            raise exceptions.TransportError("Too late.")
        limit = min(timeout or TALK, TALK, left)
        return super().__call__(url, method, body, headers, limit, **kwargs)
