"""Child processes that end with their caller, and with the engine however it ends."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import trio

from taskengine.runtime import guard
from taskengine.runtime.environment import clean_environment
from taskengine.runtime.limits import NO_LIMITS, LimitReached, Limits, watch
from taskengine.runtime.pulse import Lifeline, Pulse

OnLine = Callable[[str], Awaitable[None]]

GUARD_GRACE = 10.0  # seconds between SIGTERM and SIGKILL, at most a third of a lease
TAIL = 4_000  # bytes of standard error kept for the message
OUTPUT_LIMIT = 16 << 20  # bytes of standard output returned
LINE_LIMIT = 64 << 10  # bytes of a line handed to `on_line`
UNUSABLE = frozenset(  # why a command can never be started, as the system says it
    map(
        os.strerror,
        (
            *(errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC, errno.EISDIR),
            *(errno.E2BIG, errno.ENAMETOOLONG, errno.ELOOP),
        ),
    )
)


class ProcessFailed(Exception):
    """A child process ended with a code other than 0."""

    def __init__(self, command: Sequence[str], returncode: int, stderr_tail: str) -> None:
        name = Path(command[0]).name
        super().__init__(f"{name} ended with code {returncode}: {stderr_tail.strip() or 'silent'}")
        self.command, self.returncode, self.stderr_tail = tuple(command), returncode, stderr_tail


class CommandUnusable(ProcessFailed):
    """A command that cannot be started: another try would fail as well."""

    def __init__(self, command: Sequence[str], reason: str) -> None:
        super().__init__(command, guard.UNFOUND, reason)


class PulseMissed(Exception):
    """The engine stood still for a lease: the child was killed, others may run its task."""

    def __init__(self) -> None:
        super().__init__("the engine stood still for longer than its lease")


async def open_guarded(
    command: Sequence[str],
    pulse: Pulse,
    lifeline: Lifeline,
    *,
    stderr: int | BinaryIO = subprocess.PIPE,
    cwd: Path | None = None,
    reach: str = guard.TREE,
    env: Mapping[str, str] | None = None,
    limits: Limits = NO_LIMITS,
) -> trio.Process:
    """Start a command under a guard; the process is the guard's. Without an `env` it gets nothing
    of the engine's environment but what programs need to run."""
    descriptor = lifeline.reading.fileno()
    # A dead engine beat a third of its lease and a second ago at most: peers have its tasks later.
    grace = min(GUARD_GRACE, pulse.lease / 3)
    orders = [str(descriptor), str(grace), str(pulse.lease), reach, limits.orders]
    process = await trio.lowlevel.open_process(
        [sys.executable, "-I", "-S", guard.__file__, *orders, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        cwd=cwd,
        env=clean_environment() if env is None else env,
        pass_fds=[descriptor, *pulse.bonds],
        start_new_session=True,
    )
    lifeline.reading.close()
    return process


async def run_process(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    on_line: OnLine | None = None,
    pulse: Pulse | None = None,
    limits: Limits = NO_LIMITS,
) -> str:
    """Run a command under a guard (rule 6) and return its standard output.

    With `on_line` each line of it is handed over instead. When the caller is cancelled the whole
    process tree is stopped, and the call returns only when it is gone. Raises ProcessFailed,
    CommandUnusable, LimitReached, and PulseMissed when the guard heard no `pulse` for a lease.
    """
    pulse = pulse or Pulse()
    with pulse.lifeline() as lifeline:
        try:
            process = await open_guarded(command, pulse, lifeline, cwd=cwd, limits=limits)
        except ValueError as error:  # a NUL, or what no file system can spell
            raise CommandUnusable(command, str(error)) from None
        except OSError as error:
            if error.strerror in UNUSABLE:
                raise CommandUnusable(command, error.strerror or "") from None
            raise
        return await _follow(process, command, lifeline, on_line, limits)


async def _follow(
    process: trio.Process,
    command: Sequence[str],
    lifeline: Lifeline,
    on_line: OnLine | None,
    limits: Limits,
) -> str:
    output, errors = bytearray(), bytearray()
    reached: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_keep, process.stderr, errors, TAIL)
            if on_line is None:
                nursery.start_soon(_keep, process.stdout, output, OUTPUT_LIMIT)
            else:
                nursery.start_soon(_hand_over, process.stdout, on_line)
            await _end(process, limits, reached)
            if reached:
                nursery.cancel_scope.cancel()
    finally:
        lifeline.let_go()
        with trio.CancelScope(shield=True):  # bounded by the guard's own deadline
            await process.wait()
            await process.stdout.aclose()
            await process.stderr.aclose()
    if reached:
        raise LimitReached(f"{Path(command[0]).name} {reached[0]}")
    if process.returncode == -signal.SIGALRM:
        raise PulseMissed
    if process.returncode:
        told = errors.decode(errors="replace")
        if process.returncode == guard.UNFOUND and _is_the_guards(told, command[0]):
            raise CommandUnusable(command, told)
        raise ProcessFailed(command, process.returncode, told)
    return output.decode(errors="replace")


async def _end(process: trio.Process, limits: Limits, reached: list[str]) -> None:
    """Wait for the end of a process, or for a limit that it has reached."""
    if not limits.is_watched:
        await process.wait()
        return

    async def look() -> None:
        reached.append(await watch(process.pid, limits))
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        await process.wait()
        nursery.cancel_scope.cancel()


def _is_the_guards(told: str, name: str) -> bool:
    """Whether it is the guard that says so: a command can end with its code as well."""
    return told.startswith(f"{name}: ") and told.removeprefix(f"{name}: ").strip() in UNUSABLE


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
