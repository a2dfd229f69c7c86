"""Whether a request was signed with the account's key: the RPC signature and that of MNS."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from demo.alibaba.wire import Refusal, Request

OLDEST = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Key:
    """An access key: its id may be seen, its secret may not."""

    id: str
    secret: str = field(repr=False)


def check_rpc(key: Key, request: Request, nonces: set[str]) -> None:
    """Raise unless query and form bear `key`'s RPC signature, version 1.0, for the first time."""
    given = {**request.query, **request.form}
    signature = given.pop("Signature", "")
    if given.get("AccessKeyId") != key.id:
        raise Refusal(403, "InvalidAccessKeyID", "The AccessKey ID does not exist.")
    if (given.get("SignatureMethod"), given.get("SignatureVersion")) != ("HMAC-SHA1", "1.0"):
        raise Refusal(400, "InvalidSignatureMethod", "Only HMAC-SHA1, version 1.0, is taken.")
    if not hmac.compare_digest(_rpc_signature(key, request.method, given), signature):
        raise Refusal(400, "SignatureDoesNotMatch", "The signature does not fit the request.")
    try:
        signed_at = datetime.strptime(given["Timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (KeyError, ValueError):
        raise Refusal(400, "InvalidTimeStamp.Format", "The timestamp can't be read.") from None
    if abs(datetime.now(UTC) - signed_at) > OLDEST:
        raise Refusal(400, "InvalidTimeStamp.Expired", "The timestamp is too old or too new.")
    nonce = given.get("SignatureNonce", "")
    if not nonce or nonce in nonces:
        raise Refusal(400, "SignatureNonceUsed", "The nonce is missing or was used before.")
    nonces.add(nonce)


def check_mns(key: Key, request: Request) -> None:
    """Raise unless the `Authorization` header bears `key`'s signature of this very request."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    key_id, _, signature = rest.partition(":")
    if scheme != "MNS" or not signature:
        raise Refusal(400, "InvalidAuthorizationHeader", "The Authorization header is malformed.")
    if key_id != key.id:
        raise Refusal(403, "InvalidAccessKeyId", "The AccessKey ID does not exist.")
    if not hmac.compare_digest(_mns_signature(key, request), signature):
        raise Refusal(403, "SignatureDoesNotMatch", "The signature does not fit the request.")
    try:
        signed_at = parsedate_to_datetime(request.headers["date"])
    except (KeyError, ValueError):
        raise Refusal(400, "InvalidDateHeader", "The Date header can't be read.") from None
    if abs(datetime.now(UTC) - signed_at.replace(tzinfo=UTC)) > OLDEST:
        raise Refusal(408, "TimeExpired", "The request is too old.")
    digest = base64.b64encode(hashlib.md5(request.body).hexdigest().encode()).decode()
    if request.body and request.headers.get("content-md5") != digest:
        raise Refusal(400, "InvalidDegist", "The body is not the one that was signed.")


def _rpc_signature(key: Key, method: str, given: Mapping[str, str]) -> str:
    line = "&".join(f"{_percent(name)}={_percent(given[name])}" for name in sorted(given))
    return _sha1(f"{key.secret}&", f"{method}&%2F&{_percent(line)}")


def _mns_signature(key: Key, request: Request) -> str:
    headers = request.headers
    own = "".join(f"{n}:{headers[n]}\n" for n in sorted(headers) if n.startswith("x-mns-"))
    signed = [request.method, headers.get("content-md5", ""), headers.get("content-type", "")]
    signed += [headers.get("date", ""), own + request.target]
    return _sha1(key.secret, "\n".join(signed))


def _sha1(secret: str, text: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), "sha1").digest()).decode()


def _percent(text: str) -> str:
    return quote(text, safe="~")
