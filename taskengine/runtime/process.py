"""Child processes that end with their caller, and with the engine however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import trio

from taskengine.runtime import guard

OnLine = Callable[[str], Awaitable[None]]

GUARD_GRACE = 10.0  # seconds between SIGTERM and SIGKILL
TAIL = 4_000  # bytes of standard error kept for the message
OUTPUT_LIMIT = 16 << 20  # bytes of standard output returned
LINE_LIMIT = 64 << 10  # bytes of a line handed to `on_line`


class ProcessFailed(Exception):
    """A child process ended with a code other than 0."""

    def __init__(self, command: Sequence[str], returncode: int, stderr_tail: str) -> None:
        name = Path(command[0]).name
        super().__init__(f"{name} ended with code {returncode}: {stderr_tail.strip() or 'silent'}")
        self.command, self.returncode, self.stderr_tail = tuple(command), returncode, stderr_tail


def guarded(lifeline: int, command: Sequence[str]) -> list[str]:
    """The command line that runs a command under the guard."""
    return [sys.executable, "-I", "-S", guard.__file__, str(lifeline), str(GUARD_GRACE), *command]


async def run_process(
    command: Sequence[str], *, cwd: Path | None = None, on_line: OnLine | None = None
) -> str:
    """Run a command under a guard (rule 6) and return its standard output.

    With `on_line` each line of it is handed over instead. When the caller is cancelled the whole
    process group is stopped, and the call returns only when it is gone. Raises ProcessFailed.
    """
    lifeline, hold = os.pipe()
    with os.fdopen(lifeline, "rb") as reading, os.fdopen(hold, "wb", buffering=0) as holding:
        process = await trio.lowlevel.open_process(
            guarded(lifeline, command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            pass_fds=[lifeline],
            start_new_session=True,
        )
        reading.close()
        return await _follow(process, command, holding, on_line)


async def _follow(
    process: trio.Process, command: Sequence[str], holding: BinaryIO, on_line: OnLine | None
) -> str:
    output, errors = bytearray(), bytearray()
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_keep, process.stderr, errors, TAIL)
            if on_line is None:
                nursery.start_soon(_keep, process.stdout, output, OUTPUT_LIMIT)
            else:
                nursery.start_soon(_hand_over, process.stdout, on_line)
            await process.wait()
    finally:
        holding.close()  # the guard stops what still runs
        with trio.CancelScope(shield=True):  # bounded by the guard's own deadline
            await process.wait()
            await process.stdout.aclose()
            await process.stderr.aclose()
    if process.returncode:
        raise ProcessFailed(command, process.returncode, errors.decode(errors="replace"))
    return output.decode(errors="replace")


async def _keep(stream: trio.abc.ReceiveStream, into: bytearray, limit: int) -> None:
    """Read to the end and keep the last `limit` bytes."""
    async for chunk in stream:
        into += chunk
        del into[: max(0, len(into) - limit)]


async def _hand_over(stream: trio.abc.ReceiveStream, on_line: OnLine) -> None:
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[-LINE_LIMIT:]
        for line in lines:
            await on_line(line[:LINE_LIMIT].decode(errors="replace"))
    if rest:
        await on_line(rest.decode(errors="replace"))
