"""Processes as the kernel knows them."""

from pathlib import Path

import trio


def alive(pid: int) -> bool:
    try:
        return _status(pid)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent_of(pid: int) -> int:
    return int(_status(pid)[1])


def _status(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


async def gone(*pids: int, within: float) -> None:
    """Wait until they have ended."""
    with trio.fail_after(within):
        while any(map(alive, pids)):
            await trio.sleep(0.01)
