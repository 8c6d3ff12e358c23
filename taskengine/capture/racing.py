"""One segment from whichever source has it first: they are asked one after the other, and beside
each other where one is slow and time is short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

import trio

from taskengine.capture.fetching import Fetcher
from taskengine.capture.locks import Failures
from taskengine.capture.model import Segment, SourceAway, SourceRefused

HURRY: Final = 5.0  # seconds that a source of a live stream has before the next one is asked


@dataclass(slots=True)
class Race:
    """`offers` are the sources that have the segment, in the order in which to ask them: there may
    be more of them later. `failures` say why each that was asked does not have it."""

    fetcher: Fetcher
    track: str
    offers: Callable[[], Sequence[tuple[int, Segment]]]
    is_live: bool
    failures: Failures = field(default_factory=dict)
    _asked: set[int] = field(default_factory=set)
    _had: Segment | None = None
    _ended: trio.Event = field(default_factory=trio.Event)

    async def run(self) -> Segment | None:
        """The segment that was had; None if no source has it.

        Of a live stream the next source is asked as well while one takes longer than its segment
        lasts.
        """
        async with trio.open_nursery() as nursery:
            while self._had is None:
                found = next((one for one in self.offers() if one[0] not in self._asked), None)
                if found is not None:
                    self._asked.add(found[0])
                    nursery.start_soon(self._ask, *found)
                elif self._asked <= self.failures.keys():
                    break
                lasts = float(found[1].duration) if found is not None else 0.0
                with trio.move_on_after(max(HURRY, lasts) if self.is_live else inf):
                    await self._ended.wait()
            nursery.cancel_scope.cancel()
        return self._had

    async def _ask(self, place: int, segment: Segment) -> None:
        try:
            await self.fetcher.take(self.track, place, segment)
            self._had = segment
        except (SourceAway, SourceRefused) as error:
            self.failures[place] = error
        self._ended.set()
        self._ended = trio.Event()
