"""The processes of an embedded PostgreSQL, to be stopped and killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def postmaster(folder: Path) -> int:
    """Its process id, in a data folder of embedded servers."""
    return int(json.loads((folder / "postgres/server.json").read_text())["pid"])


@contextmanager
def stopped(folder: Path) -> Iterator[None]:
    """A server that stands still for the length of the block."""
    parent = postmaster(folder)
    pids = [parent]
    try:
        _stop(parent)  # first: from now on it has no more children
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            pids.append(int(child))
            _stop(int(child))
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _stop(pid: int) -> None:
    """Until it stands; it may be gone instead."""
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "TZX":
            time.sleep(0.001)
