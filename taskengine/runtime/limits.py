"""What a child process may take: time, memory, disk, and how long it may do nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

LOOK: Final = 5.0  # seconds between two looks at what it does


@dataclass(frozen=True, slots=True)
class Limits:
    """0: no limit. `stall` is the time in which it neither computes nor reads or writes."""

    seconds: float = 0.0
    stall: float = 0.0
    memory: int = 0  # bytes of address space, of each process
    file: int = 0  # bytes of a file that it writes

    @property
    def orders(self) -> str:
        """For the guard, which sets what the system watches over."""
        return f"{self.memory},{self.file}"

    @property
    def is_watched(self) -> bool:
        return self.seconds > 0 or self.stall > 0


NO_LIMITS: Final = Limits()


class LimitReached(Exception):
    """A child process was stopped at a limit; what it was doing is told."""


async def watch(
    guard: int, limits: Limits, work: Callable[[int], tuple[int, ...] | None] | None = None
) -> str:
    """Wait until a limit is reached, and say which. `work` tells what the child of a guard has done
    so far; None: nobody knows."""
    work = work or work_of_child
    began = worked = trio.current_time()
    before: tuple[int, ...] | None = None
    while True:
        await trio.sleep(min(LOOK, limits.seconds or LOOK, limits.stall or LOOK))
        now, done = trio.current_time(), work(guard)
        if done is None or done != before:
            before, worked = done, now
        if 0 < limits.seconds <= now - began:
            return f"ran for {limits.seconds:g} s, longer than it may (tool_seconds)"
        if 0 < limits.stall <= now - worked:
            return f"did nothing for {limits.stall:g} s (tool_stall)"


def work_of_child(guard: int) -> tuple[int, ...] | None:
    """Ticks of processor time and bytes read and written by the child of a guard, so far."""
    try:
        [child, *_] = Path(f"/proc/{guard}/task/{guard}/children").read_text().split()
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        moved = Path(f"/proc/{child}/io").read_text().split()
    except (OSError, ValueError):
        return None  # it is over, or the system tells nothing of the kind
    return int(child), int(fields[11]), int(fields[12]), int(moved[1]), int(moved[3])
