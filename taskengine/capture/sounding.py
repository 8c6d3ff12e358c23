"""Where sound lies on the timeline: by the heads of its fragments, else as tools tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import trio

from taskengine.capture.clock import Clock, Mapping, mapping
from taskengine.capture.model import Fetched, Time
from taskengine.capture.packed import LONGEST, WRAP, packed_time
from taskengine.capture.packets import Format, Packets, formats, pictures
from taskengine.capture.reading import TrackReader, statements
from taskengine.media.fragments import Header, has_track, read_header

SAME_CLOCK: Final = Fraction(1, 4)  # seconds by which statements of one stream may differ
INTERLEAVED: Final = Fraction(10)  # seconds that sound may lie beside its pictures in one file
EVEN: Final = Fraction(1, 200)  # seconds by which sources of one clock may differ


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of sound in a file: what it is, and where it lies on the timeline."""

    segments: tuple[Fetched, ...]
    format: Format
    start: Time
    end: Time
    mapping: Mapping
    is_even: bool  # one clock holds for all of it
    shift: Time = Fraction(0)  # from the file's times to those that the mapping counts from
    header: Header | None = None  # of fragments whose packets can be told apart


@dataclass(frozen=True, slots=True)
class SoundPackets:
    """What was found in a stretch of sound; `shift` is as of Sound."""

    format: Format
    packets: Packets
    header: Header | None = None
    shift: Time = Fraction(0)
    is_muxed: bool = False


@dataclass(slots=True)
class SoundReader(TrackReader):
    """`clocks` are those of the pictures: one holds for all tracks of a source."""

    telling = 1

    clocks: Sequence[Clock] = ()

    async def _own(self, raw: Path) -> list[Format]:
        return [one for one in await formats(self.bench, raw) if one.type == "audio"]

    async def look(self, stretch: Sequence[Fetched]) -> Sound | None:
        """Where the sound of a stretch is; None if there is none in it."""
        found = await self._read(stretch) or await self._probe(stretch)
        if found is None or not found.packets.pictures:
            return None
        packets, shift = found.packets, found.shift
        stated = statements(stretch, packets.starts, shift)
        if not stated:
            return None
        own = mapping(stated)
        first, last = (packets.pictures[place].media + shift for place in (0, -1))
        differing = INTERLEAVED if found.is_muxed else SAME_CLOCK
        used, wrap = self._shared(stretch, own, first, differing)
        length = Fraction(1024, int(found.format.said.get("sample_rate") or 48_000))
        is_even = all(abs(step.by) < EVEN for step in own.jumps)
        start, end = used.time(first + wrap), used.time(last + wrap) + length
        return Sound(
            tuple(stretch), found.format, start, end, used, is_even, shift + wrap, found.header
        )

    async def _read(self, stretch: Sequence[Fetched]) -> SoundPackets | None:
        """By the heads of fragments; None if tools have to look at it."""
        init = await self._initialization(stretch)
        if init is None:
            return None
        try:
            header = read_header(init, b"soun")
        except ValueError:
            return None
        packets = await self._packets(stretch, header)
        form = await self.format(stretch) if packets is not None else None
        if packets is None or form is None:
            return None
        return SoundPackets(form, packets, header, is_muxed=has_track(init, b"vide"))

    async def _probe(self, stretch: Sequence[Fetched]) -> SoundPackets | None:
        """By tools that read all of it."""
        raw = self._path("raw")
        sizes = await self.assembler.put_together(stretch, raw)
        every = await formats(self.bench, raw)
        form = next((one for one in every if one.type == "audio"), None)
        if form is None:
            raw.unlink()
            return None
        packets = await pictures(self.bench, raw, form, sizes)
        shift = await self._packed(raw, packets.pictures[0].media if packets.pictures else None)
        raw.unlink()
        return SoundPackets(form, packets, None, shift, any(one.type == "video" for one in every))

    async def _packed(self, raw: Path, first: Time | None) -> Time:
        """From the file's times to the stream's, where the frames have none by themselves."""
        with await trio.to_thread.run_sync(raw.open, "rb") as file:
            time = packed_time(await trio.to_thread.run_sync(file.read, LONGEST))
        return Fraction(0) if time is None or first is None else time - first

    def _shared(
        self, stretch: Sequence[Fetched], own: Mapping, media: Time, differing: Time
    ) -> tuple[Mapping, Time]:
        """The pictures' mapping of the same source, if both have one clock, and how often that
        began anew between the two; else its own."""
        at = own.time(media)
        places = [one.source for one in stretch]
        same = (one for one in self.clocks if one.source in places)
        for clock in sorted(same, key=lambda one: one.distance(at, places)):
            for wrap in (Fraction(0), WRAP, -WRAP):
                if abs(clock.mapping.time(media + wrap) - at) < differing:
                    return clock.mapping, wrap
        return own, Fraction(0)
