#!/bin/sh
# Task Engine @VERSION@ in one file. Its content, a Python and all that it needs, is unpacked once
# for each version, into a cache, and started from there. Behind the last line there are tars.
set -eu
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}
export PATH

unpack() { # of a part, as END:SIZE: bytes from the end of this file, and how many they are
    tail -c "${1%:*}" "$0" | head -c "${1#*:}" | tar -x -z -C "$new"
}

cache=${CACHE_DIRECTORY:-${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}}
if [ -z "$cache" ]; then
    echo "taskengine: no folder to unpack into: set HOME, XDG_CACHE_HOME or CACHE_DIRECTORY" >&2
    exit 2
fi
content=$cache/taskengine/@DIGEST@
if [ ! -d "$content" ]; then
    mkdir -p "$cache/taskengine"
    new=$(mktemp -d "$cache/taskengine/new-XXXXXX")
    trap 'rm -rf "$new"' EXIT
    trap 'exit 1' HUP INT TERM
    unpack @FOLDERS@
    started=
    for part in @FILES@; do
        unpack "$part" &
        started="$started $!"
    done
    for one in $started; do
        wait "$one"
    done
    chmod 755 "$new"
    # Others may unpack at the same time: the first one wins, and all are the same.
    mv -T "$new" "$content" 2> /dev/null || [ -d "$content" ]
    rm -rf "$new"
    trap - EXIT HUP INT TERM
fi
unset PYTHONHOME
exec "$content/bin/python" -s -P -m taskengine "$@"
