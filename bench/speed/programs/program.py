"""The frame of a peer's program: `python NAME_peer.py prepare|enqueue|drain URL JOBS`.

It runs in the peer's environment, not in ours. It prints JSON: the seconds that the step took, and
the CPU seconds of its process and of the children that have ended.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

MANY = 1_000  # jobs that are enqueued at once, where the peer can do that


def main(
    prepare: Callable[[str], object],
    enqueue: Callable[[str, int], object],
    drain: Callable[[str, int], int],
) -> None:
    """Do what the command line says; a drain gives how many jobs it ran, which have to be all."""
    step, url, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    began, used = time.perf_counter(), _cpu()
    if step == "prepare":
        prepare(url)
    elif step == "enqueue":
        enqueue(url, jobs)
    else:
        done = drain(url, jobs)
        assert done == jobs, f"{done} of {jobs} jobs were run"
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu": _cpu() - used}))


def _cpu() -> float:
    own, ended = (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
