"""Posts one message to a webhook source of Countersign, signed by the scheme of Standard Webhooks.

export COUNTERSIGN_URL=https://countersign.example.com/in/…/    # the address of the source
export COUNTERSIGN_SECRET=whsec_…                               # the secret of its key
python3 send.py < message.json
"""

import base64
import hashlib
import hmac
import os
import sys
import time
import urllib.error
import urllib.request
import uuid


def signed(body: bytes, secret: str) -> dict[str, str]:
    """The headers that go with `body`; the bytes that are signed are the bytes that are sent."""
    message_id, now = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{now}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": now,
        "webhook-signature": "v1," + base64.b64encode(mac.digest()).decode(),
    }


def main() -> None:
    body = sys.stdin.buffer.read()
    headers = {"Content-Type": "application/json", **signed(body, os.environ["COUNTERSIGN_SECRET"])}
    request = urllib.request.Request(os.environ["COUNTERSIGN_URL"], body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            print(answer.status, answer.read().decode())
    except urllib.error.HTTPError as refused:  # its body says why
        sys.exit(f"{refused.code} {refused.read().decode(errors='replace')}")


if __name__ == "__main__":
    main()
