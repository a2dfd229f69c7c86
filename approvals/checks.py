"""What an installation can get wrong, said at start-up instead of at 3 a.m."""

from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security)
def keys_are_given(**kwargs: Any) -> list[CheckMessage]:
    """The keys without which tokens can't be kept."""
    problems: list[CheckMessage] = []
    if not settings.TOKEN_KEYS:
        problems.append(
            Error(
                "TOKEN_KEYS is not set: task tokens can't be encrypted.",
                hint="Make a key with: manage.py new_key",
                id="countersign.E001",
            )
        )
    for position, key in enumerate(settings.TOKEN_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            problems.append(
                Error(
                    f"TOKEN_KEYS: key {position} is not a Fernet key.",
                    hint="Make a key with: manage.py new_key",
                    id="countersign.E002",
                )
            )
    if len(settings.TOKEN_DIGEST_KEY) < 32:
        problems.append(
            Error(
                "TOKEN_DIGEST_KEY has to be at least 32 characters.",
                hint="Make a key with: manage.py new_key. It stays the same for ever.",
                id="countersign.E003",
            )
        )
    return problems


@register()
def services_are_given(**kwargs: Any) -> list[CheckMessage]:
    """PostgreSQL and the broker."""
    problems: list[CheckMessage] = []
    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
        problems.append(Error("DATABASE_URL has to name PostgreSQL.", id="countersign.E004"))
    if not settings.BROKER_URL:
        problems.append(
            Warning(
                "BROKER_URL is not set: jobs can't be sent.",
                hint="For example redis://localhost:6379/0",
                id="countersign.W001",
            )
        )
    return problems
