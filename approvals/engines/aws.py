"""AWS, for the engine and the sources that speak to it: whose identity calls are made with."""

import datetime as dt
import time
from typing import Any
from urllib.parse import urlsplit

from boto3 import Session
from botocore import exceptions as boto
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.session import Session as CoreSession

from approvals.engines.base import EngineConfig

SESSION_NAME = "countersign"  # what the other account's trail shows
# With the engine's own call still shorter than the lease of a callback. Asking twice is harmless.
STS = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
# A role that was refused is refused for so many seconds without asking: many threads wait for it,
# and one after the other they would wait for minutes.
REFUSED_FOR = 5.0


class RoleNotAssumed(boto.BotoCoreError):
    """STS gave no credentials, so that no call was made with them; `code` is its own word."""

    fmt = "{role} can't be assumed: {words}"

    @property
    def code(self) -> str:
        return str(self.kwargs["code"])


def session(config: EngineConfig) -> Session:
    """A session of its own (boto3's default one is not safe between threads).

    With the process' own identity, or with the role's: STS is asked when credentials are first
    wanted, and again well before they expire. Then `RoleNotAssumed` may come from any call.
    """
    own = Session(region_name=config.region or None)
    if not config.role_arn:
        return own
    core = CoreSession()
    core.register_component("credential_provider", CredentialResolver([_Role(own, config)]))
    return Session(botocore_session=core, region_name=config.region or None)


def sts(of: Session, config: EngineConfig, **credentials: str | None) -> Any:
    """A client of STS in the region of `config`, of an emulator's where that is what it names."""
    return of.client(
        "sts",
        region_name=config.region or None,
        endpoint_url=None if is_aws(config.endpoint_url) else config.endpoint_url or None,
        config=STS,
        **credentials,
    )


def is_aws(url: str) -> bool:
    """Whether an endpoint is Amazon's own (a private one too), rather than an emulator's."""
    host = urlsplit(url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


class _Role(CredentialProvider):
    """Credentials of one role. botocore asks for them one thread at a time."""

    METHOD = "assume-role"

    def __init__(self, own: Session, config: EngineConfig) -> None:
        super().__init__()
        self._own, self._config = own, config
        self._refusal: RoleNotAssumed | None = None
        self._refused_until = 0.0

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._refresh, self.METHOD)

    def _refresh(self) -> dict[str, Any]:
        if self._refusal is None or time.monotonic() >= self._refused_until:
            fetched = self._fetch()
            if not isinstance(fetched, RoleNotAssumed):
                return fetched
            self._refusal, self._refused_until = fetched, time.monotonic() + REFUSED_FOR
        raise RoleNotAssumed(**self._refusal.kwargs)

    def _fetch(self) -> dict[str, Any] | RoleNotAssumed:
        extra = {"RoleSessionName": SESSION_NAME}
        if self._config.external_id:
            extra["ExternalId"] = self._config.external_id
        try:
            source = self._own.get_credentials()
            if source is None:
                raise boto.NoCredentialsError
            credentials: dict[str, Any] = AssumeRoleCredentialFetcher(
                lambda service, **source: sts(self._own, self._config, **source),
                source,
                self._config.role_arn,
                extra_args=extra,
            ).fetch_credentials()
        except Exception as error:  # whatever it is, nothing was sent with this role
            return self._not_assumed(*said(error))
        if dt.datetime.fromisoformat(credentials["expiry_time"]) <= dt.datetime.now(dt.UTC):
            return self._not_assumed("ClockSkew", "What STS gave has expired by our clock.")
        return credentials

    def _not_assumed(self, code: str, words: str) -> RoleNotAssumed:
        return RoleNotAssumed(role=self._config.role_arn, code=code, words=words)


def said(error: Exception) -> tuple[str, str]:
    """What AWS or botocore calls an error, and its words for it."""
    if isinstance(error, RoleNotAssumed):
        return error.code, str(error)
    if isinstance(error, boto.ClientError):
        answer = error.response["Error"]
        return answer.get("Code", ""), str(answer.get("Message") or "")[:500]
    return type(error).__name__, str(error)
