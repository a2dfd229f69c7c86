"""CALLBACK OUT, the far end: whatever waits on HTTP (Google Workflows, Logic Apps, n8n).

The task token of such a step is the address that takes its answer, by one POST of JSON. A success
is the output itself. A failure is `{"status": "failed", "approved": false, "error", "cause"}`. The
header `Countersign-Status` says `succeeded` or `failed` beside either. All tries of one answer bear
the same `Idempotency-Key`, and no other answer does.

What the status of the answer means:

| status | means |
|---|---|
| 2xx | taken, whatever follows |
| 404, 409, 410 | the step no longer waits: `TaskGone` |
| 401, 403, 408, 425, 429 | not taken for now: `EngineUnavailable` |
| 3xx, any other 4xx | refused for good: `CallbackRefused`; no redirect is followed |
| 5xx, none, any other | nobody knows: `OutcomeUnknown` |
"""

import hashlib
import json
import ssl
import time
from collections.abc import Iterator

from approvals.engines import exchange
from approvals.engines.addresses import Address, admit, read_entries, read_entry
from approvals.engines.base import Engine, EngineConfig, Fate, Handle, Limits, Step
from approvals.engines.credentials import AccessTokens, ClientCredentials, Credential, Fixed
from approvals.errors import (
    CallbackRefused,
    EngineError,
    EngineUnavailable,
    OutcomeUnknown,
    SecretUnreadable,
    TaskGone,
)
from approvals.findings import Finding, Level
from approvals.tokens import TaskToken

# Seconds for one call; with an access token's fetch (credentials.py) far below the lease of 45.
WITHIN = 20.0
AGENT = "Countersign/1"  # the version of what is sent, not of the product
FIXED = ("", "none", "bearer", "header")


class CallbackURL(Engine):
    """The hosts of one connection, and what they want to be shown."""

    limits = Limits(output=262_144, error=256, cause=4_096)
    handle = Handle.URL

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._trusting = exchange.trust()
        self._credential = _credential(config, self._trusting)

    @classmethod
    def can_be_asked(cls, execution_id: str) -> bool:
        return False  # HTTP callbacks know no heartbeats and no look-ups

    @classmethod
    def problem_with(cls, config: EngineConfig, token: TaskToken) -> str:
        address = _admit(config, token)
        return address if isinstance(address, str) else ""

    def succeed(self, token: TaskToken, output: str) -> None:
        try:
            json.loads(output)
        except ValueError:
            raise CallbackRefused("The output is not JSON.", code="InvalidOutput") from None
        _check_size(output, self.limits.output)
        self._send(token, "succeeded", output)

    def fail(self, token: TaskToken, error: str, cause: str) -> None:
        _check_size(error, self.limits.error)
        _check_size(cause, self.limits.cause)
        # `approved` is there in either case, so that a workflow can ask for that alone.
        body = {"status": "failed", "approved": False, "error": error, "cause": cause}
        self._send(token, "failed", json.dumps(body, ensure_ascii=False, separators=(",", ":")))

    def heartbeat(self, step: Step) -> None:
        """Nobody to ask."""

    def find_out(self, step: Step, decision_id: str) -> Fate:
        return Fate.UNKNOWN

    def examine(self) -> Iterator[Finding]:
        yield from (self._examine_host(line) for line in self._config.hosts)
        if not self._config.hosts:
            yield Finding(Level.BAD, "No host is named.", "Name the hosts answers may go to.")
        try:
            headers = self._credential.headers()
        except SecretUnreadable as error:
            headers = EngineUnavailable(str(error))
        if isinstance(headers, EngineUnavailable):
            yield Finding(Level.BAD, str(headers), "Mend the connection's credential.")
        elif isinstance(self._credential, AccessTokens):
            yield Finding(Level.OK, "An access token was given.")
        elif headers:
            yield Finding(Level.OK, f"Requests bear the header {next(iter(headers))}.")

    def _examine_host(self, line: str) -> Finding:
        """Resolves and shakes hands; no request is sent."""
        entry = read_entry(line)
        if isinstance(entry, str):
            return Finding(Level.BAD, entry, "Mend or remove this line.")
        if entry.below and self._config.auth not in ("", "none", "google"):
            what = f"Whoever has a host below “{entry.host}” can have the credential sent to it."
            return Finding(Level.WARNING, what, "Name the hosts one by one.")
        if entry.below:
            return Finding(Level.OK, f"Any host below “{entry.host}” is admitted.")
        address = Address(entry.scheme, entry.host, entry.port, "/", entry.in_house)
        until = time.monotonic() + WITHIN
        try:
            exchange.connect(address, self._trusting, until).close()
        except CallbackRefused as error:
            mend = f"If this is meant, write it with its scheme: https://{entry.host}."
            return Finding(Level.BAD, str(error), mend)
        except EngineUnavailable as error:
            mend = "Check the name, the firewall and, for a CA of your own, SSL_CERT_FILE."
            return Finding(Level.BAD, str(error), mend)
        return Finding(Level.OK, f"“{address.authority}” can be reached.")

    def _send(self, token: TaskToken, status: str, text: str) -> None:
        problem = self._ask(token, status, text)
        if problem:
            raise problem

    def _ask(self, token: TaskToken, status: str, text: str) -> EngineError | None:
        """One HTTP call. Errors are returned, to be raised where no frame holds a secret."""
        to = _admit(self._config, token)
        if isinstance(to, str):
            return CallbackRefused(to, code="AddressRefused")
        credential = self._credential.headers()
        if isinstance(credential, EngineUnavailable):
            return credential
        body = text.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": AGENT,
            "Countersign-Status": status,
            "Idempotency-Key": _key(token, body),
            **credential,
        }
        answer = exchange.post(to, headers, body, trusting=self._trusting, within=WITHIN)
        if isinstance(answer, EngineError):
            return answer
        if answer.status == 401 and self._credential.forget(credential):
            words = f"“{to.host}” refuses the access token; a new one will be fetched."
            return EngineUnavailable(words, code="TokenRefused")
        return _meaning(answer.status, to.host)


def _credential(config: EngineConfig, trusting: ssl.SSLContext) -> Credential:
    entries = read_entries(config.hosts)
    if config.auth == "google":
        from approvals.engines.google_credentials import GoogleTokens

        return GoogleTokens(config, entries, trusting)
    if config.auth == "oauth":
        return ClientCredentials(config, entries, trusting)
    if config.auth in FIXED:
        return Fixed(config)
    raise EngineUnavailable(f"There is no credential “{config.auth}”.", code="UnknownAuth")


def _admit(config: EngineConfig, token: TaskToken) -> Address | str:
    """The address in `token`, or why nothing goes there."""
    address = admit(token.reveal(), read_entries(config.hosts))
    if config.auth == "google" and isinstance(address, Address):
        from approvals.engines.google_credentials import problem_with

        return problem_with(address) or address
    return address


def _key(token: TaskToken, body: bytes) -> str:
    return hashlib.sha256(token.reveal().encode() + b"\n" + body).hexdigest()


def _check_size(text: str, limit: int) -> None:
    if len(text.encode()) > limit:
        raise CallbackRefused(f"The answer is longer than {limit:,} bytes.", code="TooLong")


def _meaning(status: int, host: str) -> EngineError | None:
    words = f"“{host}” answered {status}"
    if 200 <= status < 300:
        return None
    if status in (404, 409, 410):
        return TaskGone(f"{words}: the step no longer waits.", code=str(status))
    if status in (401, 403):
        return EngineUnavailable(f"{words}: it wants another credential.", code="AccessDenied")
    if status in (408, 425, 429):
        return EngineUnavailable(f"{words}: not now.", code=str(status))
    if 300 <= status < 400:
        return CallbackRefused(f"{words}: a redirect, which is not followed.", code=str(status))
    if 400 <= status < 500:
        return CallbackRefused(f"{words}: it does not take this.", code=str(status))
    return OutcomeUnknown(f"{words}: nobody knows if it was taken.", code=str(status))
