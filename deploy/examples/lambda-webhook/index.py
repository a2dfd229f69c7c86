"""Posts what a state machine passes to a webhook source of Countersign, signed by the scheme of
Standard Webhooks. The secret comes from Secrets Manager; boto3 is part of Lambda's runtime."""

import base64
import hashlib
import hmac
import json
import os
import time
import urllib.error
import urllib.request
from typing import Any

import boto3


class CountersignUnavailable(Exception):
    """The state machine retries this error by its name."""


def handler(event: dict[str, Any], context: Any) -> None:
    """What is returned goes nowhere: the step waits until Countersign answers with its token."""
    body = json.dumps(event, ensure_ascii=False).encode()
    headers = signature(context.aws_request_id, body, secret())
    post(os.environ["COUNTERSIGN_URL"], body, headers)


def secret() -> str:
    """The signing secret: whsec_ and Base64."""
    answer = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["SECRET_ARN"])
    return str(answer["SecretString"])


def signature(message_id: str, body: bytes, signing_secret: str) -> dict[str, str]:
    now = str(int(time.time()))
    key = base64.b64decode(signing_secret.removeprefix("whsec_"))
    signed = b".".join([message_id.encode(), now.encode(), body])
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": now,
        "webhook-signature": f"v1,{digest}",
    }


def post(url: str, body: bytes, headers: dict[str, str]) -> None:
    request = urllib.request.Request(
        url, body, {"Content-Type": "application/json", **headers}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=10):
            return
    except urllib.error.HTTPError as error:
        status = str(error.code)
    except OSError as error:
        status = type(error).__name__
    if status == "422":  # in quarantine, where an operator can replay it: the step goes on waiting
        print("Countersign holds this message in quarantine.")
        return
    raise CountersignUnavailable(f"Countersign answered {status}.")
