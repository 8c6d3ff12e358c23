"""The sound of a clip, cut to the pieces that the pictures make, exact to the sample.

What is missing inside a piece is silence, so that sound and pictures stay together however often
either is interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import trio

from taskengine.capture.assembly import Assembler
from taskengine.capture.clock import Clock, Mapping, Statement, mapping
from taskengine.capture.model import Fetched, Time
from taskengine.capture.packed import LONGEST, WRAP, packed_time
from taskengine.capture.packets import Format, formats, pictures
from taskengine.capture.pieces import Span, stretches
from taskengine.media.ffmpeg import ffmpeg, ffmpeg_patiently, source
from taskengine.media.tools import Bench

SAMPLE: Final = 2  # bytes of a sample, signed, little-endian
SAME_CLOCK: Final = Fraction(1, 4)  # seconds by which statements of one stream may differ
INTERLEAVED: Final = Fraction(10)  # seconds that sound may lie beside its pictures in one file
EVEN: Final = Fraction(1, 200)  # seconds by which sources of one clock may differ
BITRATE: Final = 128_000  # bits a second, where the source does not say
PIECE: Final = 1 << 20  # bytes


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


@dataclass(slots=True)
class AudioCutter:
    """Cuts one track of one clip. `clocks` are those of its pictures: one holds for all tracks of
    a source."""

    bench: Bench
    assembler: Assembler
    label: str
    clocks: Sequence[Clock]
    _files: int = field(default=0, init=False)

    def _path(self, suffix: str) -> Path:
        self._files += 1
        return self.bench.folder / f"{self.label}-{self._files}.{suffix}"

    async def decode(
        self, segments: Sequence[Fetched], spans: Sequence[Span], rate: int, channels: int
    ) -> Path:
        """Samples of all spans, one after the other; silence where there is no sound."""
        target = self._path("pcm")
        frame = SAMPLE * channels
        total = round(sum((span.end - span.start for span in spans), Fraction(0)) * rate)
        await trio.to_thread.run_sync(_make_silence, target, total * frame)
        for stretch in stretches(segments, over_sources=True):
            if not await self._place(stretch, spans, target, rate, channels, sure=False):
                for part in stretches(stretch):  # sources with clocks of their own
                    await self._place(part, spans, target, rate, channels, sure=True)
        return target

    async def _place(
        self,
        stretch: Sequence[Fetched],
        spans: Sequence[Span],
        target: Path,
        rate: int,
        channels: int,
        *,
        sure: bool,
    ) -> bool:
        """Put the sound of a stretch where it is shown; False if it has several clocks."""
        raw = self._path("raw")
        sizes = await self.assembler.put_together(stretch, raw)
        sound = await self._look(raw, stretch, sizes)
        is_one = sound is None or sure or sound.is_even
        at = Fraction(0)
        for span in spans if sound is not None and is_one else ():
            assert sound is not None
            first, last = max(span.start, sound.start), min(span.end, sound.end)
            if first < last:
                place = round((at + first - span.start) * rate)
                await self._write(raw, sound, first, last, target, place, rate, channels)
            at += span.length
        raw.unlink()
        return is_one

    async def look(self, segments: Sequence[Fetched]) -> Sound | None:
        """Where the sound of a stretch is; None if there is none in it."""
        raw = self._path("raw")
        sizes = await self.assembler.put_together(segments, raw)
        found = await self._look(raw, segments, sizes)
        raw.unlink()
        return found

    async def format(self, segments: Sequence[Fetched]) -> Format | None:
        """What the first stretch of sound is; None if there is none in it."""
        raw = self._path("raw")
        await self.assembler.put_together(segments[:1], raw)
        found = [one for one in await formats(self.bench, raw) if one.type == "audio"]
        raw.unlink()
        return found[0] if found else None

    async def encode(
        self, samples: Path, rate: int, channels: int, bitrate: int, target: Path
    ) -> None:
        """As AAC. The samples are removed."""
        given = ("-f", "s16le", "-ar", str(rate), "-ac", str(channels), "-i", f"file:{samples}")
        coded = ("-c:a", "aac", "-b:a", str(bitrate or BITRATE), "-f", "mp4", f"file:{target}")
        await ffmpeg(self.bench, *given, *coded)
        await trio.Path(samples).unlink()

    async def _look(
        self, raw: Path, stretch: Sequence[Fetched], sizes: Sequence[int]
    ) -> Sound | None:
        every = await formats(self.bench, raw)
        found = [one for one in every if one.type == "audio"]
        if not found:
            return None
        packets = await pictures(self.bench, raw, found[0], sizes)
        shift = await self._packed(raw, packets.pictures[0].media if packets.pictures else None)
        stated = [
            Statement(media + shift, one.start)
            for place, (one, media) in enumerate(zip(stretch, packets.starts, strict=True))
            if media is not None and (one.segment.stated or place == 0)
        ]
        if not stated:
            return None
        own = mapping(stated)
        first, last = (packets.pictures[place].media + shift for place in (0, -1))
        is_muxed = any(one.type == "video" for one in every)
        differing = INTERLEAVED if is_muxed else SAME_CLOCK
        used, wrap = self._shared(stretch[0].source, own, first, differing)
        length = Fraction(1024, int(found[0].said.get("sample_rate") or 48_000))
        is_even = all(abs(step.by) < EVEN for step in own.jumps)
        return Sound(
            tuple(stretch),
            found[0],
            used.time(first + wrap),
            used.time(last + wrap) + length,
            used,
            is_even,
            shift + wrap,
        )

    async def _packed(self, raw: Path, first: Time | None) -> Time:
        """From the file's times to the stream's, where the frames have none by themselves."""
        with await trio.to_thread.run_sync(raw.open, "rb") as file:
            time = packed_time(await trio.to_thread.run_sync(file.read, LONGEST))
        return Fraction(0) if time is None or first is None else time - first

    def _shared(
        self, place: int, own: Mapping, media: Time, differing: Time
    ) -> tuple[Mapping, Time]:
        """The pictures' mapping of the same source, if both have one clock, and how often that
        began anew between the two; else its own."""
        at = own.time(media)
        same = [clock for clock in self.clocks if clock.source == place]
        for clock in sorted(same, key=lambda one: max(one.start - at, at - one.end)):
            for wrap in (Fraction(0), WRAP, -WRAP):
                if abs(clock.mapping.time(media + wrap) - at) < differing:
                    return clock.mapping, wrap
        return own, Fraction(0)

    async def _write(
        self,
        raw: Path,
        sound: Sound,
        first: Time,
        last: Time,
        target: Path,
        place: int,
        rate: int,
        channels: int,
    ) -> None:
        """Decode `[first, last)` and put it at its place among the samples."""
        media = sound.mapping.media(first) - sound.shift
        start, number = round(media * rate), round((last - first) * rate)
        made = self._path("part")
        chosen = (  # a decoder drops what comes first of a file: silence stands for it
            f"aresample={rate},asettb=1/{rate},atrim=start_pts={start}:end_pts={start + number},"
            f"asetpts=PTS-{start},aresample=async=1:first_pts=0,"
            f"apad=whole_len={number},atrim=end_sample={number}"
        )
        await ffmpeg_patiently(
            self.bench,
            *source(raw, "-copyts"),
            *("-map", f"0:{sound.format.index}", "-vn", "-af", chosen, "-ac", str(channels)),
            *("-ar", str(rate), "-c:a", "pcm_s16le", "-f", "s16le", f"file:{made}"),
        )
        await trio.to_thread.run_sync(_put, made, target, place * SAMPLE * channels)


def _make_silence(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def _put(part: Path, target: Path, offset: int) -> None:
    """Copy a part over the silence, not beyond it."""
    with part.open("rb") as made, target.open("r+b") as file:
        size = target.stat().st_size
        file.seek(offset)
        while (left := size - file.tell()) > 0 and (data := made.read(min(PIECE, left))):
            file.write(data)
    part.unlink()
