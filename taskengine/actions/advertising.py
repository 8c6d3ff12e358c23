"""What sources signalled of advertising, as markers of the result."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

import trio

from taskengine.capture.breaks import breaks
from taskengine.capture.clock import Clock, clock_of
from taskengine.capture.marking import heard, markers, numbered, places
from taskengine.capture.model import Fetched, Signal, Time
from taskengine.capture.noting import Noted, key_of
from taskengine.capture.packed import WRAP
from taskengine.capture.pieces import Span
from taskengine.capture.showing import RecordedClip, Shown
from taskengine.capture.signals import MAX_SIGNALS, signal_of
from taskengine.capture.sources.events import Emsg, messages
from taskengine.capture.sources.transport import transport_messages
from taskengine.media.markers import Marker

Cut = tuple[RecordedClip, Shown, Sequence[Span]]
MAX_PROBLEMS: Final = 20  # each is a log line
FAR: Final = 3600  # seconds between a message and the segment that has it; more is a mistake


async def advertising(
    clips: Sequence[Cut], zero: Time = Fraction(0)
) -> tuple[list[Marker], list[str]]:
    """Of all clips, in the order of the result, whose media times begin with `zero`; and what could
    not be read."""
    found: list[Marker] = []
    problems: dict[str, None] = {}
    at = Fraction(0)
    for clip, shown, spans in clips:
        noted = Noted(clip.recording)
        await noted.load()
        said = [*noted.signals, *await _in_segments(clip, shown.clocks, problems)]
        best = shown.best
        found_in = places(best, spans, at) if best else heard(spans, at)
        known = await trio.to_thread.run_sync(breaks, said)
        found += await trio.to_thread.run_sync(markers, found_in, *known, zero)
        at += sum((span.length for span in spans), Fraction(0))
    return numbered(found, zero), list(problems)


async def _in_segments(
    clip: RecordedClip, clocks: Sequence[Clock], problems: dict[str, None]
) -> list[Signal]:
    """What messages inside the segments say, of all tracks: it may be any that has them."""
    found: dict[object, Signal] = {}  # a message is repeated in many segments
    for name, track in clip.range.fetched.items():
        if track.type in ("video", "audio"):
            segments = clip.recording.of(name)
            files = await clip.assembler.files(segments)
            look = partial(_look, list(zip(segments, files, strict=True)), clocks, problems, found)
            await trio.to_thread.run_sync(look)
    return list(found.values())


def _look(
    segments: Sequence[tuple[Fetched, Path]],
    clocks: Sequence[Clock],
    problems: dict[str, None],
    found: dict[object, Signal],
) -> None:
    """Blocking."""

    def problem(text: str) -> None:
        if len(problems) < MAX_PROBLEMS:
            problems.setdefault(text)

    for one, path in segments:
        read = transport_messages if one.segment.form == "ts" else messages
        for said in read(path, problem):
            if len(found) >= MAX_SIGNALS:
                return
            if (signal := _signal(said, one, clocks)) is not None:
                found.setdefault(key_of(signal), signal)


def _signal(said: Emsg, one: Fetched, clocks: Sequence[Clock]) -> Signal | None:
    clock = clock_of(clocks, one.source, one.start)
    if said.is_delta:
        time = one.start + said.time
    elif clock is not None:
        time = clock.mapping.time(said.time)
        if one.segment.form == "ts":  # whose clock begins anew
            time += round((one.start - time) / WRAP) * WRAP
    else:
        return None
    if said.message is None or abs(time - one.start) > FAR:
        return None
    return signal_of(said.message, time, name=said.id, duration=said.duration)
