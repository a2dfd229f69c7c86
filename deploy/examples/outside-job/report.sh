#!/usr/bin/env bash
# Reports on one outside job to Countersign, with the job's own key.
#
#   export COUNTERSIGN_URL=https://countersign.example.com
#   export COUNTERSIGN_TASK_ID=…      # from the claim, or from the task's page
#   export COUNTERSIGN_JOB_KEY=csj_…
#
#   report.sh heartbeat
#   report.sh progress 40 "3 of 7 days"
#   report.sh success '{"rows": 1200}'      # any JSON
#   report.sh failure OutOfMemory "The driver ran out of memory."
#
# Ends with 0 once it was taken. 22: Countersign refused it, which its answer explains.
set -euo pipefail

json() { # one text as a JSON string
  python3 -c 'import json, sys; print(json.dumps(sys.argv[1]))' "$1"
}

what=${1:?heartbeat, progress, success or failure}
case "$what" in
  heartbeat) body='{}' ;;
  progress) body="{\"percent\": ${2:?percent, 0 to 100}, \"note\": $(json "${3-}")}" ;;
  success) body="{\"output\": ${2-null}}" ;;
  failure) body="{\"error\": $(json "${2:?an error name}"), \"cause\": $(json "${3-}")}" ;;
  *) echo "heartbeat, progress, success or failure" >&2; exit 2 ;;
esac

# The key comes by a file of its own: arguments can be read by everybody on the machine. A report
# that is repeated changes nothing, so it may be.
curl --silent --show-error --fail-with-body --max-time 30 --retry 8 --retry-connrefused \
  --header 'Content-Type: application/json' \
  --header @<(printf 'Authorization: Bearer %s' "${COUNTERSIGN_JOB_KEY:?}") \
  --data-binary @<(printf '%s' "$body") \
  "${COUNTERSIGN_URL:?}/api/v1/tasks/${COUNTERSIGN_TASK_ID:?}/$what"
echo
