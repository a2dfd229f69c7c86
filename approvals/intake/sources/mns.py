"""MESSAGE IN from an Alibaba Cloud MNS (now SMQ) queue; the only file with its SDK.

Raised errors are in words of our own where the SDK's repeat what the queue answered: tokens are in
it. `queue_url` is the whole address, such as https://ACCOUNT.mns.REGION.aliyuncs.com/queues/NAME;
a source's `endpoint_url` takes the place of its host, the connection's is CloudFlow's and does not.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from alibabacloud_credentials_api import ICredentialsProvider
from django.conf import settings
from mns.account import Account
from mns.auth import Credentials, CredentialsProvider
from mns.mns_exception import (
    MNSClientNetworkException,
    MNSClientParameterException,
    MNSServerException,
)

from approvals.engines.alibaba import credentials
from approvals.errors import SecretUnreadable
from approvals.findings import Finding, Level
from approvals.intake.sources.base import PolledSource, Received, SourceUnavailable
from approvals.models import Source

BATCH = 16  # what one call of MNS gives and takes
GRACE_SECONDS = 10  # for the network, on top of the long poll
QUEUE = re.compile(r"(https?://[^/]+)/queues/([A-Za-z0-9-]{1,256})/?")


class MNSQueue(PolledSource):
    def __init__(self, source: Source) -> None:
        found = QUEUE.fullmatch(source.queue_url)
        if not found:
            raise SourceUnavailable(
                "The queue's address has to be like "
                "https://ACCOUNT.mns.REGION.aliyuncs.com/queues/NAME."
            )
        host, name = found.groups()
        try:
            who = _Identity(credentials(source.connection.config))
        except SecretUnreadable as unreadable:
            raise SourceUnavailable(str(unreadable)) from None
        account = Account(source.endpoint_url or host, credentials_provider=who)
        connection = account.get_client().http
        connection.set_connection_timeout(settings.SQS_WAIT_SECONDS + GRACE_SECONDS)
        connection.conn.timeout = settings.SQS_WAIT_SECONDS + GRACE_SECONDS  # what https goes by
        self._queue = account.get_queue(name)
        self._queue.set_encoding(False)  # Base64 or not is told from each body

    def receive(self) -> list[Received]:
        try:
            messages = _ask(
                lambda: self._queue.batch_receive_message(BATCH, settings.SQS_WAIT_SECONDS)
            )
        except _Refused as refused:
            if refused.code == "MessageNotExist":
                return []
            raise SourceUnavailable(str(refused)) from None
        return [Received(_text(one.message_body), one.receipt_handle) for one in messages]

    def forget(self, items: list[Received]) -> None:
        try:
            _ask(lambda: self._queue.batch_delete_message([item.handle for item in items]))
        except _Refused as refused:
            failed = [code for code in refused.codes if code != "MessageNotExist"]
            if failed:
                raise SourceUnavailable(f"{len(failed)} not deleted: {failed[0]}") from None

    def examine(self) -> Iterator[Finding]:
        try:
            queue = _ask(self._queue.get_attributes)
        except (SourceUnavailable, _Refused) as error:
            yield Finding(
                Level.BAD,
                str(error),
                "Check the address, the access key and mns:GetQueueAttributes.",
            )
            return
        yield Finding(
            Level.OK,
            "The queue answers; what was taken and not deleted comes again after "
            f"{queue.visibility_timeout} s.",
        )


class _Identity(CredentialsProvider):
    """Credentials as MNS's own SDK wants them: a missing security token is blank."""

    def __init__(self, provider: ICredentialsProvider) -> None:
        self._provider = provider

    def get_credentials(self) -> Credentials:
        found = self._provider.get_credentials()
        return Credentials(
            found.get_access_key_id(),
            found.get_access_key_secret(),
            found.get_security_token() or "",
        )


class _Refused(Exception):
    """The vendor's answer to a call that it did not take; `codes` are those of its parts."""

    def __init__(self, error: MNSServerException) -> None:
        super().__init__(f"{error.type}: {str(error.message)[:300]}")
        self.code = str(error.type)
        parts = error.sub_errors or [{"ErrorCode": error.type}]
        self.codes = [part["ErrorCode"] for part in parts]


def _ask(call: Callable[[], Any]) -> Any:
    """One call; raises `_Refused`, else `SourceUnavailable`, and leaves the SDK's error behind."""
    failure: Exception
    try:
        return call()
    except MNSServerException as error:
        failure = _Refused(error)
    except MNSClientNetworkException as error:
        # Other types than this one quote the answer: messages.
        words = error.message if error.type == "NetWorkException" else "unreadable answer"
        failure = SourceUnavailable(f"MNS could not be read: {words}")
    except MNSClientParameterException as error:
        failure = SourceUnavailable(str(error.message))
    except Exception as error:  # credentials, mostly
        failure = SourceUnavailable(f"MNS could not be asked ({type(error).__name__}).")
    raise failure


def _text(body: str | None) -> str:
    """What was sent: clients encode in Base64 by default, flows and others do not.

    JSON is left as it is; anything else that is Base64 of text is decoded.
    """
    body = body or ""
    if _is_json(body):
        return body
    try:
        return base64.b64decode("".join(body.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return body


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
