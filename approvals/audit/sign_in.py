"""RECORD of people coming in: who signed in goes on the record, who failed to goes to the log.

The record is kept for ever, so it holds no address of a network. The log holds the address, and
of the name that was tried only a keyed hash: equal names can be counted, but a password that
somebody typed into the wrong field can't be read.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from approvals.audit.record import Action, event, record
from approvals.models import User

log = structlog.get_logger(__name__)


def signed_in(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """`user_logged_in`: nobody gets in off the record."""
    methods = [_method(entry) for entry in get_authentication_records(request, user)]
    with transaction.atomic():
        record(event(Action.SIGNED_IN, actor=user, method=", ".join(methods)))
    log.info("signed in", user=user.pk, ip=_ip(request))


def sign_in_failed(
    sender: object,
    credentials: Mapping[str, Any],
    request: HttpRequest | None = None,
    **kwargs: Any,
) -> None:
    """`user_login_failed`."""
    tried = str(credentials.get("username") or credentials.get("email") or "")
    name_hash = salted_hmac(__name__, tried.casefold(), algorithm="sha256").hexdigest()[:12]
    log.warning("sign-in failed", name_hash=name_hash, ip=_ip(request) if request else "")


def _method(entry: Mapping[str, Any]) -> str:
    """`password`, `mfa totp`, `socialaccount okta`."""
    kind = entry.get("type") or entry.get("provider") or ""
    return f"{entry.get('method', '')} {kind}".strip()


def _ip(request: HttpRequest) -> str:
    try:
        return get_adapter().get_client_ip(request)
    except PermissionDenied:
        return ""
