#!/usr/bin/env bash
# Posts one message to a webhook source of Countersign, signed by the scheme of Standard Webhooks.
#
#   export COUNTERSIGN_URL=https://countersign.example.com/in/…/    # the address of the source
#   export COUNTERSIGN_SECRET=whsec_…                               # the secret of its key
#   send.sh < message.json
#
# Needs openssl, curl and coreutils.
set -euo pipefail

message=$(mktemp)
trap 'rm -f "$message"' EXIT
cat > "$message"

id=msg_$(openssl rand -hex 12)
now=$(date +%s)
# openssl takes a binary key in hexadecimal.
key=$(printf '%s' "${COUNTERSIGN_SECRET:?}" | sed 's/^whsec_//' | base64 -d | od -An -v -tx1 | tr -d ' \n')
# The bytes that are signed are the bytes that are sent.
signature=$({ printf '%s.%s.' "$id" "$now"; cat "$message"; } |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64 | tr -d '\n')

curl --silent --show-error --fail-with-body --max-time 30 \
  --header 'Content-Type: application/json' \
  --header "webhook-id: $id" \
  --header "webhook-timestamp: $now" \
  --header "webhook-signature: v1,$signature" \
  --data-binary "@$message" \
  "${COUNTERSIGN_URL:?}"
echo
