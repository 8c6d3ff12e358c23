#!/bin/sh
# Capture ten seconds of a live stream: five that were, five to come.
#
#   make demo                                # tells the stream's URL, the client and its key
#   TASKENGINE_API_KEY=… examples/capture.sh http://127.0.0.1:PORT/live/master.m3u8
#
# Prints the job's id. The result is in the output root of the engine, in news/latest.
set -eu
engine=${TASKENGINE_URL:-http://127.0.0.1:8080}
source=${1:?expected the URL of a live HLS, DASH or Smooth Streaming manifest}
now=$(date +%s)

sed -e "s|SOURCE|$source|" \
    -e "s|START|$(date -u -d @$((now - 5)) +%FT%TZ)|" \
    -e "s|END|$(date -u -d @$((now + 5)) +%FT%TZ)|" "$(dirname "$0")/capture.json" |
  curl --silent --show-error --fail-with-body --noproxy 127.0.0.1 "$engine/job" \
    --header "client: ${TASKENGINE_CLIENT:-demo}" --header "api-key: $TASKENGINE_API_KEY" \
    --header "Content-Type: application/json" --data-binary @-
