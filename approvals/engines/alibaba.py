"""Alibaba Cloud, for the engine and the source that speak to it: whose identity calls are made
with."""

from alibabacloud_credentials.provider import (
    DefaultCredentialsProvider,
    StaticAKCredentialsProvider,
)
from alibabacloud_credentials_api import ICredentialsProvider

from approvals.engines.base import EngineConfig
from approvals.tokens import decrypt


def credentials(config: EngineConfig) -> ICredentialsProvider:
    """The connection's own access key, else whatever identity the process finds: environment,
    OIDC role, profile, or the role of the machine. Asked for at each call, since some expire.

    Raises `SecretUnreadable`.
    """
    if not config.key_id:
        return DefaultCredentialsProvider()
    return StaticAKCredentialsProvider(
        access_key_id=config.key_id, access_key_secret=decrypt(config.secret)
    )
