"""Recording a stream chapter by chapter, and removing what has been kept for long enough.

A chapter is recorded like a clip of a capture. It begins by the clock and ends when all sources
have passed its end, so that two are recorded side by side for a moment. What an earlier attempt has
of a chapter is found by its names; a chapter that is complete is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Final

import trio

from taskengine.archive.chapters import Chapter, chapter_of, named_chapters
from taskengine.archive.recording import COMPLETE, NotArchived
from taskengine.archive.segments import parse_segment, seconds
from taskengine.capture.clip import FOREVER
from taskengine.capture.following import Following
from taskengine.capture.model import Time
from taskengine.capture.moments import told
from taskengine.capture.recording import Recording
from taskengine.model import PermanentFailure
from taskengine.storage import FileNotStored, Folder

LEAD: Final = 10.0  # seconds before a chapter: clocks of origins differ
AT_ONCE: Final = 8  # chapters that are over and recorded side by side
RETRY_PAUSE: Final = 10.0  # seconds until a source that could not be read is asked again
SWEEP_PAUSE: Final = 10.0  # seconds between two looks for what is old
GRACE: Final = 600.0  # seconds that what is not offered any more stays: assets may be being made

Tell = Callable[[str], Awaitable[None]]
Follow = Callable[[Chapter, Time, Time], Following]  # records `[start, end)` of a chapter


@dataclass(slots=True)
class Archiver:
    """Of one archive, which lies in `folder`. `retention` is in seconds; None: for ever. `now` is
    the time since 1970."""

    folder: Folder
    start: Time
    end: Time  # FOREVER: until the stream ends or the task is cancelled
    retention: float | None
    follow: Follow
    now: Callable[[], Time]
    info: Tell
    warn: Tell
    segments: int = 0  # that were stored
    _last: Time = FOREVER  # when the stream ends, once its sources say so
    _over: trio.Event = field(default_factory=trio.Event)
    _has_earlier: bool = False  # segments of an earlier attempt, or another job
    _running: set[Chapter] = field(default_factory=set)

    async def run(self) -> None:
        """Raises PermanentFailure for a stream that cannot be recorded at all."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sweep_again)
            await self._chapters()
            nursery.cancel_scope.cancel()
        if not self._has_any():
            raise PermanentFailure("nothing of the stream could be recorded")

    async def _chapters(self) -> None:
        turns = trio.CapacityLimiter(AT_ONCE)
        async with trio.open_nursery() as recorders:
            chapter = chapter_of(max(self.start, self._oldest()))
            while await self._is_due(chapter):
                recorders.start_soon(self._record, chapter, turns)
                chapter = chapter.next

    async def _is_due(self, chapter: Chapter) -> bool:
        """Waits until its time has come; false if it never will."""
        wait = float(chapter.start - self.now()) - LEAD
        with trio.move_on_after(max(0.0, wait)):
            await self._over.wait()
        return chapter.start < min(self.end, self._last)

    async def _record(self, chapter: Chapter, turns: trio.CapacityLimiter) -> None:
        """One that is over waits for its turn; what is live never does."""
        if chapter.end > self.now():
            await self._until_complete(chapter)
            return
        async with turns:
            await self._until_complete(chapter)

    async def _until_complete(self, chapter: Chapter) -> None:
        start = max(chapter.start, self.start, self._oldest())
        end = min(chapter.end, self.end)
        if await self._is_complete(chapter, start, end):
            return
        self._running.add(chapter)
        said = ""
        while (failure := await self._follow(chapter, start, end)) is not None:
            if self.now() >= end or self._over.is_set():
                await self._tell_nothing(chapter, start, end, str(failure))
                break
            if str(failure) != said:
                said = str(failure)
                await self.warn(f"The stream cannot be recorded now: {said}")
            await trio.sleep(RETRY_PAUSE)
        self._running.discard(chapter)

    async def _tell_nothing(self, chapter: Chapter, start: Time, end: Time, reason: str) -> None:
        """A chapter behind the end of the stream leaves no trace."""
        if self._last <= start:
            await self.folder.below(chapter.folder).clear()
            return
        span = f"{told(start, has_clock=True)} to {told(end, has_clock=True)}"
        await self.warn(f"Nothing is recorded of {span}: {reason}")

    async def _follow(self, chapter: Chapter, start: Time, end: Time) -> PermanentFailure | None:
        """Record it; why that was not possible. Raises it where there is nothing to go on with."""
        following = self.follow(chapter, start, end)
        failure = None
        try:
            await following.run()
        except* PermanentFailure as failures:
            failure = _first(failures)
        self.segments += len(following.recording.fetched)
        if (last := _last_of(following, self.now())) is not None:
            self._last = min(self._last, last)
            self._over.set()
        if failure is None:
            note = json.dumps([str(start), str(end)])
            await following.recording.write_note(COMPLETE, note)
        elif not self._has_any() and (following.range is None or isinstance(failure, NotArchived)):
            raise failure
        await trio.to_thread.run_sync(partial(rmtree, following.scratch, ignore_errors=True))
        return failure

    async def _is_complete(self, chapter: Chapter, start: Time, end: Time) -> bool:
        """Whether an earlier attempt, or another job, has all that there was of a range."""
        with TemporaryDirectory() as own:
            recording = Recording(self.folder.below(chapter.folder), Path(own), "")
            said = await recording.read_note(COMPLETE)
        if said is None:
            return False
        self._has_earlier = True
        first, last = (Fraction(one) for one in json.loads(said))
        return first <= start and end <= last

    def _has_any(self) -> bool:
        return self.segments > 0 or self._has_earlier

    # What is old

    def _oldest(self) -> Time:
        """What ended before it is not offered any more."""
        return Fraction(0) if self.retention is None else self.now() - Fraction(self.retention)

    async def _sweep_again(self) -> None:
        while self.retention is not None:
            await self.sweep()
            await trio.sleep(SWEEP_PAUSE)
        await trio.sleep_forever()

    async def sweep(self) -> None:
        """Remove what ended longer ago than it is kept. Assets have names of their own for it."""
        limit = self._oldest() - Fraction(GRACE)
        for chapter in named_chapters(await self.folder.folders()):
            if chapter.end < limit and chapter not in self._running:
                await self.folder.below(chapter.folder).clear()
            elif chapter.start < limit:
                with suppress(FileNotStored):  # another job does the same
                    await self._sweep(self.folder.below(chapter.folder), limit)

    async def _sweep(self, folder: Folder, limit: Time) -> None:
        """Encrypted copies too: they have the names of their segments."""
        for file in await folder.list():
            one = parse_segment("/".join(file.name.split("/")[-2:]))
            if one is not None and seconds(one.end) < limit:
                await folder.delete(file.name)


def _last_of(following: Following, now: Time) -> Time | None:
    """The end of a stream whose sources all say that it is over; of one that offers nothing any
    more it is known alone that it has ended."""
    seen = [one for one in following.demands.values() if one.seen or one.over]
    if not seen or not all(one.over >= one.seen.keys() for one in seen):
        return None
    return max((end for one in seen for end in one.seen.values()), default=now)


def _first(failures: BaseExceptionGroup[PermanentFailure]) -> PermanentFailure:
    found = failures.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
