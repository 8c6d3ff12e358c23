#!/bin/sh
# Take the picture that a live stream showed three seconds ago.
#
#   make demo                                # tells the stream's URL, the client and its key
#   TASKENGINE_API_KEY=… examples/frame.sh http://127.0.0.1:PORT/live/master.m3u8
#
# Prints the job's id. The result is news/stills/latest.jpg in the output root of the engine.
set -eu
engine=${TASKENGINE_URL:-http://127.0.0.1:8080}
source=${1:?expected the URL of an HLS, DASH or Smooth Streaming manifest}
now=$(date +%s)

sed -e "s|SOURCE|$source|" -e "s|TIME|$(date -u -d @$((now - 3)) +%FT%TZ)|" \
    "$(dirname "$0")/frame.json" |
  curl --silent --show-error --fail-with-body --noproxy 127.0.0.1 "$engine/job" \
    --header "client: ${TASKENGINE_CLIENT:-demo}" --header "api-key: $TASKENGINE_API_KEY" \
    --header "Content-Type: application/json" --data-binary @-
