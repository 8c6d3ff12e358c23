#!/bin/sh
# A client in curl: submit a job, wait for its end, print it.
#     sh client.sh welcome '{"name": "Zoë"}'
# TASKENGINE_URL, TASKENGINE_CLIENT and TASKENGINE_API_KEY say where and who.
set -eu

call() { # METHOD PATH [BODY]
  printf 'header = "api-key: %s"\n' "$TASKENGINE_API_KEY" |  # not on the command line: ps shows it
    curl --config - --silent --show-error --fail-with-body --retry 5 --retry-connrefused \
      --request "$1" --header "client: $TASKENGINE_CLIENT" \
      --header 'Content-Type: application/json' --header "Idempotency-Key: $key" \
      ${3:+--data "$3"} "$TASKENGINE_URL$2"
}

key=$(cat /proc/sys/kernel/random/uuid)
body="{\"client\": \"$TASKENGINE_CLIENT\", \"job\": {\"workflow\": \"$1\"}, \"parameters\": $2}"
id=$(call POST /job "$body" | sed 's/.*"id": *"\([0-9]*\)".*/\1/')
until call GET "/jobs/$id" | grep -Eq '"queue_state": *"(completed|broken)"'; do sleep 1; done
call GET "/jobs/$id"
echo
