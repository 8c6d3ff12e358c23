"""Witnesses of engines, as the kernel shows them."""

from __future__ import annotations

from pathlib import Path

import trio

from tests.support.processes import alive


def witness_of(engine: int) -> int | None:
    """The process id of an engine's witness, once it listens for its engine's end."""
    for children in Path(f"/proc/{engine}/task").glob("*/children"):
        for pid in map(int, children.read_text().split()):
            if _program(pid) == "testimony.py" and alive(pid):
                return pid
    return None


async def has_witness(engine: int, other_than: int | None = None) -> int:
    """Wait until there is one."""
    with trio.fail_after(30):
        while (witness := witness_of(engine)) in (None, other_than):
            await trio.sleep(0.01)
    assert witness is not None
    return witness


def memory_of(pid: int) -> int:
    """What a process keeps in memory that it shares with nobody, in bytes."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {row.split(":")[0]: int(row.split()[1]) for row in rows[1:]}
    return 1024 * (sizes["Private_Clean"] + sizes["Private_Dirty"])


def _program(pid: int) -> str:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return ""
    return next((Path(one).name for one in arguments if one.endswith(".py")), "")
