"""ADMIN, configuration: shell commands that use a new key, shown beside it. Pure.

The secret stands in none: `ASK` comes first and has the shell ask for it, so that it stays out of
its history.
"""

import json

from approvals.engines.addresses import read_entries
from approvals.engines.base import Handle
from approvals.engines.registry import kind_of
from approvals.models import Source

ASK = "read -rs COUNTERSIGN_KEY"

_SIGN = """\
id="msg_$(date +%s)_$$"
time=$(date +%s)
key=$(printf %s "${COUNTERSIGN_KEY#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \\n')
signature=$(printf %s "$id.$time.$body" |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)"""


def send_message(source: Source, address: str, token_address: str, key_id: str) -> str:
    """A test message to `source`; or the subscription, for a topic of SNS."""
    if source.kind == Source.Kind.SNS:
        scheme, _, place = address.partition("://")
        topic = next(iter(source.topic_arns.split()), "TOPIC")
        return (
            f"aws sns subscribe --topic-arn {topic} --protocol {scheme} \\\n"
            f'  --notification-endpoint "{scheme}://{key_id}:$COUNTERSIGN_KEY@{place}"'
        )
    body = _body(source)
    if source.auth == Source.Auth.HMAC:
        signed = {"id": "$id", "timestamp": "$time", "signature": "v1,$signature"}
        headers = [f"webhook-{name}: {value}" for name, value in signed.items()]
        return f"body={body}\n{_SIGN}\n" + _post(address, headers, '"$body"')
    if source.auth == Source.Auth.BASIC:
        return _post(address, [], body, f'--user "{key_id}:$COUNTERSIGN_KEY"')
    if source.auth == Source.Auth.OAUTH:
        return _exchange(token_address, key_id) + _post(
            address, ["Authorization: Bearer $token"], body
        )
    header = source.header_name if source.auth == Source.Auth.API_KEY else "Authorization"
    value = "$COUNTERSIGN_KEY" if source.auth == Source.Auth.API_KEY else "Bearer $COUNTERSIGN_KEY"
    return _post(address, [f"{header}: {value}"], body)


def claim_job(address: str) -> str:
    """The oldest job of a gate that nobody runs yet."""
    return (
        f"curl --request POST {address} \\\n"
        '  --header "Authorization: Bearer $COUNTERSIGN_KEY" \\\n'
        "  --write-out '\\n%{http_code}\\n'"
    )


def _body(source: Source) -> str:
    """A message that its connection takes, and that no engine waits for."""
    token = {"taskToken": "a-test-token"}
    if kind_of(source.connection.kind).handle is Handle.URL:
        entries = read_entries(source.connection.hosts.split())
        token = {"callbackUrl": f"{entries[0].example if entries else 'https://HOST'}/a-test"}
    return f"'{json.dumps(token | {'title': 'Test'})}'"


def _exchange(token_address: str, key_id: str) -> str:
    return f"""token=$(curl --silent --fail {token_address} \\
  --user "{key_id}:$COUNTERSIGN_KEY" --data grant_type=client_credentials |
  sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
"""


def _post(address: str, headers: list[str], body: str, *options: str) -> str:
    parts = [
        f"curl {address}",
        "--header 'Content-Type: application/json'",
        *(f'--header "{header}"' for header in headers),
        *options,
        f"--data-raw {body}",
    ]
    return " \\\n  ".join(parts)
