"""A client in a process of its own that asks /livez all the while.

Prints, at the end of its input, how often it was answered and the longest times in seconds.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException

PAUSE = 0.05  # seconds
LONGEST = 20  # times that are told


def probe(port: int, ended: threading.Event) -> list[float]:
    """How long each answer took; who is away is asked again."""
    times: list[float] = []
    while not ended.is_set():
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.suppress(OSError, HTTPException):
            while not ended.wait(PAUSE):
                start = time.monotonic()
                connection.request("GET", "/livez")
                connection.getresponse().read()
                times.append(time.monotonic() - start)
        connection.close()
        ended.wait(PAUSE)
    return times


def main() -> None:
    ended = threading.Event()
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.extend(probe(int(sys.argv[1]), ended)))
    thread.start()
    sys.stdin.read()
    ended.set()
    thread.join()
    longest = sorted(found, reverse=True)[:LONGEST]
    print(json.dumps({"answers": len(found), "longest": [round(one, 3) for one in longest]}))


if __name__ == "__main__":
    main()
