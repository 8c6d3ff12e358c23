"""Pictures of a whole stream at equal intervals: only the segments that have them are fetched."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import trio

from taskengine.capture.assembly import Assembler
from taskengine.capture.fetching import Fetcher
from taskengine.capture.model import (
    Fetched,
    Locked,
    Segment,
    SourceAway,
    SourceRefused,
    SourceTrack,
    Time,
    videos_of,
)
from taskengine.capture.streams import Stream
from taskengine.media.ffmpeg import ffmpeg_patiently, is_shortage, source
from taskengine.media.images import Shape
from taskengine.media.tools import Bench
from taskengine.model import PermanentFailure
from taskengine.runtime.process import ProcessFailed

TRIES: Final = 4
FIRST_PAUSE: Final = 0.5  # seconds, twice as long after each try
AT_ONCE: Final = 6  # segments that are fetched
SLACK: Final = Fraction(1, 100)  # seconds by which manifests are wrong
NAME: Final = "video-1"  # of the track in the recording

Warn = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class WantedPicture:
    """A picture that is wanted: of this segment, the last keyframe until `within` seconds of it."""

    segment: Segment
    within: Time


@dataclass(frozen=True, slots=True)
class Plan:
    """A sample for each interval of a stream; times are in seconds."""

    interval: Fraction
    duration: Fraction
    samples: tuple[WantedPicture, ...]


async def tried(work: Callable[[], Awaitable[None]]) -> None:
    """Again and again after pauses that grow. Raises SourceAway, and SourceRefused at once."""
    for number in range(TRIES):
        try:
            await work()
            return
        except SourceAway as away:
            if number == TRIES - 1 or isinstance(away, Locked):
                raise
            await trio.sleep(FIRST_PAUSE * 2**number)


def cheapest(tracks: Sequence[SourceTrack], width: int) -> SourceTrack:
    """The video of the lowest bitrate that is so wide, in pixels, or says no width. Raises
    PermanentFailure if there is no video."""
    videos = videos_of(tracks)
    wide = [track for track in videos if not 0 < track.width < width]
    return min(wide, key=lambda one: one.bitrate) if wide else max(videos, key=lambda x: x.width)


async def planned(stream: Stream, track: SourceTrack, interval: float, most: int) -> Plan:
    """At most so many samples. Raises PermanentFailure for a stream that goes on."""
    window = await stream.window(track)
    if not window.is_over:
        raise PermanentFailure("source: the live stream is not stopped, its end is not known")
    if not window.segments:
        raise PermanentFailure("source: the stream is empty")
    begins = window.segments[0].start
    duration = window.segments[-1].end - begins
    step = max(Fraction(str(interval)), duration / most)
    number = max(1, math.ceil(duration / step))
    starts = [segment.start for segment in window.segments]
    samples = [_sample(window.segments, starts, begins + n * step) for n in range(number)]
    return Plan(step, duration, tuple(samples))


def _sample(segments: Sequence[Segment], starts: Sequence[Time], at: Time) -> WantedPicture:
    """The keyframe nearest to a time: each segment begins with one, as a rule."""
    place = max(0, bisect_right(starts, at) - 1)
    after = starts[place + 1] if place + 1 < len(starts) else None
    if after is not None and after - at < at - starts[place]:
        return WantedPicture(segments[place + 1], Fraction(0))
    return WantedPicture(segments[place], at - starts[place])


@dataclass(frozen=True, slots=True)
class Drawing:
    """What pictures are made like: a filter that gives them this shape."""

    shape: Shape
    filter: str


@dataclass(slots=True)
class Sampler:
    """Fetches samples and makes pictures of them, in files of the bench."""

    bench: Bench
    fetcher: Fetcher
    assembler: Assembler
    warn: Warn
    _reading: trio.Lock = field(default_factory=trio.Lock)

    async def fetch(self, plan: Plan, told: Callable[[float], Awaitable[None]]) -> None:
        """The segments of all samples, into the recording; one that cannot be had is told. Raises
        PermanentFailure for a stream that is encrypted."""
        await self.fetcher.recording.load()
        wanted = list(dict.fromkeys(sample.segment for sample in plan.samples))
        limit, had = trio.CapacityLimiter(AT_ONCE), 0

        async def take(segment: Segment) -> None:
            nonlocal had
            async with limit:
                if not self.fetcher.recording.has(NAME, 0, segment):
                    await self._take(segment)
                had += 1
                await told(had / len(wanted))

        async with trio.open_nursery() as nursery:
            for segment in wanted:
                nursery.start_soon(take, segment)
        await self.fetcher.recording.write_page()

    async def _take(self, segment: Segment) -> None:
        try:
            await tried(lambda: self.fetcher.take(NAME, 0, segment))
        except Locked as locked:
            raise PermanentFailure(f"source: the stream is encrypted, {locked}") from None
        except (SourceAway, SourceRefused) as error:
            await self.warn(f"segment {segment.number} cannot be had: {error}")

    def recorded(self) -> dict[tuple[int, Time], Fetched]:
        """The segments that were had, by number and time."""
        return {(one.segment.number, one.start): one for one in self.fetcher.recording.of(NAME)}

    async def picture(self, one: Fetched, within: Time, drawing: Drawing, target: Path) -> bool:
        """The last keyframe of a segment until so many seconds of it, raw; False if there is none
        that can be decoded."""
        raw = target.with_suffix(".segment")
        async with self._reading:  # two may want the same file
            await self.assembler.put_together((one,), raw)
        chain = f"setpts=PTS-STARTPTS,trim=end={float(within + SLACK):.6f},{drawing.filter}"
        arguments = [*source(raw, "-skip_frame", "nokey"), "-map", "0:v:0", "-vf", chain]
        arguments += ["-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo"]
        try:
            await ffmpeg_patiently(self.bench, *arguments, f"file:{target}")
        except ProcessFailed as failure:
            if is_shortage(failure):
                raise
            return False
        raw.unlink()
        return await trio.to_thread.run_sync(_keep_last, target, drawing.shape)


def _keep_last(path: Path, shape: Shape) -> bool:
    """Of raw pictures the last one."""
    number = shape.number(path)
    if number > 1:
        data = path.read_bytes()
        path.write_bytes(data[(number - 1) * shape.size : number * shape.size])
    return number > 0
