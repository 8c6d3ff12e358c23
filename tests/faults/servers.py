"""The processes of an embedded PostgreSQL, to be stopped and killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def postmaster(folder: Path) -> int:
    """Its process id, in a data folder of embedded servers."""
    return int(json.loads((folder / "postgres/server.json").read_text())["pid"])


def processes(folder: Path) -> list[int]:
    """The postmaster and its children."""
    parent = postmaster(folder)
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *map(int, children)]


@contextmanager
def stopped(folder: Path) -> Iterator[None]:
    """A server that stands still for the length of the block."""
    pids = processes(folder)
    _signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(pids, signal.SIGCONT)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
