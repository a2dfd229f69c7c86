"""MESSAGE IN: the signature of Standard Webhooks, an HMAC over id, time and raw body. Pure.

A request that is caught and sent again within five minutes passes, which is harmless: the same
message is the same task, and the answer says nothing that the first one did not.
"""

import base64
import hashlib
import hmac
import re

TOLERANCE_SECONDS = 300

_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def sign(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """What `webhook-signature` holds: `v1,` and Base64.

    `secret` is `whsec_` and Base64; anything else raises `ValueError`.
    """
    prefix, _, encoded = secret.partition("_")
    if prefix != "whsec":
        raise ValueError("not a signing secret")
    signed = f"{message_id}.{timestamp}.".encode() + body
    mac = hmac.new(base64.b64decode(encoded), signed, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def is_signed(secret: str, message_id: str, timestamp: str, body: bytes, signatures: str) -> bool:
    """Whether one of `signatures`, separated by spaces, was made with `secret`."""
    expected = sign(secret, message_id, timestamp, body).encode()
    # Each is compared to its end: how long it takes tells nothing.
    right = [hmac.compare_digest(expected, one.encode()) for one in signatures.split(" ")]
    return any(right)


def is_timely(timestamp: str, now: float) -> bool:
    """Whether `timestamp`, in Unix seconds, is at most five minutes off `now`."""
    return bool(_TIMESTAMP.fullmatch(timestamp)) and abs(now - int(timestamp)) <= TOLERANCE_SECONDS
