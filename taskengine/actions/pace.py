"""How far tools have come, how fast they are, and how long they still need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import trio

from taskengine.actions.context import Context

T = TypeVar("T")
LINE_SECONDS: Final = 30.0  # between two lines of a log
LOOK_SECONDS: Final = 1.0  # between two looks at what a tool has written
LEAST: Final = 0.01  # of the whole, before anything is said of the rest


@dataclass(slots=True)
class Pace:
    """Of a step that is a part of an attempt: `share` of it, from `done` on. `lasts` is the length
    of the media in seconds, `before` the fraction of the step that others have done."""

    context: Context
    what: str
    lasts: float = 0.0
    done: float = 0.0
    share: float = 1.0
    before: float = 0.0
    began: float = field(default_factory=trio.current_time)
    told: float = field(default_factory=trio.current_time)

    async def __call__(self, fraction: float) -> None:
        """Report a fraction of the step, and from time to time a line of the log."""
        await self.context.progress(self.done + self.share * fraction)
        now = trio.current_time()
        if now - self.told >= LINE_SECONDS and fraction - self.before >= LEAST:
            self.told = now
            await self.context.info(self.line(fraction, now - self.began))

    def line(self, fraction: float, elapsed: float) -> str:
        """Percent, speed and the time that is left at it."""
        own = fraction - self.before
        left = elapsed * (1 - fraction) / own
        speed = f", {self.lasts * own / elapsed:.1f} times as fast as it plays"
        told = speed if self.lasts and elapsed else ""
        return f"{self.what}: {100 * fraction:.0f} %{told}, about {left:.0f} s left"


async def by_bytes(
    pace: Pace, folders: Iterable[Path], expected: int, work: Callable[[], Awaitable[T]]
) -> T:
    """Do some work and report meanwhile how much of what is expected lies in folders: some tools
    tell nothing."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_follow, pace, list(folders), max(1, expected))
        try:
            made = await work()
        except Exception as error:  # without the group that a nursery would make of it
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return made


async def _follow(pace: Pace, folders: list[Path], expected: int) -> None:
    while True:
        await trio.sleep(LOOK_SECONDS)
        made = await trio.to_thread.run_sync(_size, folders)
        await pace(min(1.0, made / expected))


def _size(folders: list[Path]) -> int:
    return sum(
        path.stat().st_size for folder in folders if folder.is_dir() for path in folder.iterdir()
    )
