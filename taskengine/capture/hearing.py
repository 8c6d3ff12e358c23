"""What of a clip without pictures is heard: to the sample, from its first track of sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taskengine.capture.audio import AudioCutter
from taskengine.capture.clip import FOREVER
from taskengine.capture.clock import Clock
from taskengine.capture.model import Fetched, Gap, Time
from taskengine.capture.pieces import Span, stretches, uncovered
from taskengine.capture.sounding import Sound


@dataclass(frozen=True, slots=True)
class Heard:
    """Times of the timeline; one clock for each stretch of sound."""

    spans: tuple[Span, ...]
    gaps: tuple[Gap, ...]
    clocks: tuple[Clock, ...]


async def hear(
    cutter: AudioCutter, segments: Sequence[Fetched], start: Time, end: Time, *, accurate: bool
) -> Heard:
    """Of `[start, end)`; the whole segments that overlap it, if it need not be accurate (A77)."""
    looked = [await cutter.look(one) for one in stretches(segments)]
    sounds = [one for one in looked if one is not None]
    if end == FOREVER:
        end = max((one.end for one in sounds), default=start)
    if not accurate:
        within = [one for one in segments if one.start < end and one.end > start]
        start = min((one.start for one in within), default=start)
        end = max((one.end for one in within), default=end)
    spans, gaps = _parted(sounds, start, end)
    clocks = (Clock(s.segments[0].source, s.start, s.end, s.mapping) for s in sounds)
    return Heard(tuple(spans), tuple(gaps), tuple(clocks))


def _parted(sounds: Sequence[Sound], start: Time, end: Time) -> tuple[list[Span], list[Gap]]:
    """What is there of the range, and what no source has."""
    there = sorted((one.start, one.end) for one in sounds)
    gaps = uncovered(there, start, end)
    bounds = [start, *(time for gap in gaps for time in (gap.start, gap.end)), end]
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return [Span(first, last) for first, last in pairs if first < last], gaps
