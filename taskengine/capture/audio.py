"""The sound of a clip, cut to the pieces that the pictures make, exact to the sample.

What is missing inside a piece is silence, so that sound and pictures stay together however often
either is interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

import trio

from taskengine.capture.assembly import Assembler
from taskengine.capture.clock import Clock, Mapping, Statement, mapping
from taskengine.capture.model import Fetched, Time
from taskengine.capture.packed import LONGEST, WRAP, packed_time
from taskengine.capture.packets import (
    FRAGMENTS,
    Format,
    Packets,
    formats,
    fragment_pictures,
    pictures,
)
from taskengine.capture.pieces import Span, stretches
from taskengine.capture.samples import chosen, make_silence, put
from taskengine.capture.sound import PACKET, SoundPlan, join_sound, moved_sound, plan_sound
from taskengine.media.ffmpeg import FRAGMENTED, ffmpeg, ffmpeg_patiently, source
from taskengine.media.fragments import Header, has_track, read_header
from taskengine.media.tools import Bench

SAMPLE: Final = 2  # bytes of a sample, signed, little-endian
SAME_CLOCK: Final = Fraction(1, 4)  # seconds by which statements of one stream may differ
INTERLEAVED: Final = Fraction(10)  # seconds that sound may lie beside its pictures in one file
EVEN: Final = Fraction(1, 200)  # seconds by which sources of one clock may differ
BITRATE: Final = 128_000  # bits a second, where the source does not say
TOGETHER: Final = Fraction(1, 2000)  # seconds by which spans may be apart that are taken as one
NEAR: Final = Fraction(1)  # seconds around what is decoded


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
class FoundSound:
    """What was found in a stretch of sound; `shift` is as of Sound."""

    format: Format
    packets: Packets
    header: Header | None = None
    shift: Time = Fraction(0)
    is_muxed: bool = False


@dataclass(slots=True)
class AudioCutter:
    """Cuts one track of one clip. `clocks` are those of its pictures: one holds for all tracks of
    a source. `known` are formats by initialization."""

    bench: Bench
    assembler: Assembler
    label: str
    clocks: Sequence[Clock]
    known: dict[str, Format] = field(default_factory=dict)
    zero: Time | None = None  # what the times of its files begin with, if not with 0
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
        await trio.to_thread.run_sync(make_silence, target, total * frame)
        for stretch in stretches(segments, over_sources=True):
            if not await self._place(stretch, spans, target, rate, channels, sure=False):
                for part in stretches(stretch):  # sources with clocks of their own
                    await self._place(part, spans, target, rate, channels, sure=True)
        return target

    async def copy(
        self, segments: Sequence[Fetched], spans: Sequence[Span], bitrate: int, target: Path
    ) -> bool:
        """The packets themselves, where nothing interrupts them and an edit list can say which
        samples count; False if they have to be decoded."""
        found = list(stretches(segments, over_sources=True))
        start, end = spans[0].start, spans[-1].end
        length = sum((span.length for span in spans), Fraction(0))
        if len(found) != 1 or abs(end - start - length) > TOGETHER:
            return False
        sound = await self.look(found[0])
        if sound is None or sound.header is None or not sound.is_even:
            return False
        if (sound.format.codec, sound.format.said.get("profile")) != ("aac", "LC"):
            return False
        files = await self.assembler.files(found[0])
        rate, begin = int(sound.format.said["sample_rate"]), sound.mapping.media(start)
        find = partial(plan_sound, files, sound.header, begin, length, rate)
        plan = await trio.to_thread.run_sync(find)
        if plan is None:
            return False
        encoded = await self._end(sound, plan, bitrate)
        made = await trio.to_thread.run_sync(join_sound, plan, encoded, target, self.zero)
        encoded.unlink()
        return made

    async def _end(self, sound: Sound, plan: SoundPlan, bitrate: int) -> Path:
        """The last packets, encoded anew on the same grid, and some before them."""
        at = sound.mapping.time(plan.warm)
        raw = await self._near(sound, at, at + Fraction(plan.given, plan.rate))
        made = self._path("mp4")
        whole = -(-plan.given // PACKET) * PACKET
        wanted = chosen(round(plan.warm * plan.rate), plan.given, plan.rate)
        await ffmpeg(
            self.bench,
            *source(raw, "-copyts"),
            *("-map", f"0:{sound.format.index}", "-vn", "-af", f"{wanted},apad=whole_len={whole}"),
            *("-c:a", "aac", "-b:a", str(bitrate or BITRATE), *FRAGMENTED, f"file:{made}"),
        )
        raw.unlink()
        return made

    async def _near(self, sound: Sound, first: Time, last: Time) -> Path:
        """The segments about a range as one file."""
        raw = self._path("raw")
        near = [one for one in sound.segments if one.end > first - NEAR and one.start < last + NEAR]
        await self.assembler.put_together(near if sound.header and near else sound.segments, raw)
        return raw

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
        sound = await self.look(stretch)
        is_one = sound is None or sure or sound.is_even
        at = Fraction(0)
        for span in spans if sound is not None and is_one else ():
            assert sound is not None
            first, last = max(span.start, sound.start), min(span.end, sound.end)
            if first < last:
                place = round((at + first - span.start) * rate)
                await self._write(sound, first, last, target, place, rate, channels)
            at += span.length
        return is_one

    async def format(self, segments: Sequence[Fetched]) -> Format | None:
        """What the first stretch of sound is; None if there is none in it."""
        name = segments[0].init_file.rpartition("/")[2]
        if name in self.known:
            return self.known[name]
        raw = self._path("raw")
        await self.assembler.put_together(segments[:1], raw)
        found = [one for one in await formats(self.bench, raw) if one.type == "audio"]
        raw.unlink()
        if found and name:
            self.known[name] = found[0]
        return found[0] if found else None

    async def encode(
        self, samples: Path, rate: int, channels: int, bitrate: int, target: Path
    ) -> None:
        """As AAC. The samples are removed."""
        given = ("-f", "s16le", "-ar", str(rate), "-ac", str(channels), "-i", f"file:{samples}")
        coded = ("-c:a", "aac", "-b:a", str(bitrate or BITRATE))
        if self.zero is None:
            await ffmpeg(self.bench, *given, *coded, "-f", "mp4", f"file:{target}")
        else:
            made, size = self._path("mp4"), (await trio.Path(samples).stat()).st_size
            seconds = Fraction(size, SAMPLE * channels * rate)
            await ffmpeg(self.bench, *given, *coded, *FRAGMENTED, f"file:{made}")
            await trio.to_thread.run_sync(moved_sound, made, seconds, self.zero, target)
            made.unlink()
        await trio.Path(samples).unlink()

    async def look(self, stretch: Sequence[Fetched]) -> Sound | None:
        """Where the sound of a stretch is; None if there is none in it."""
        found = await self._read(stretch) or await self._probe(stretch)
        if found is None or not found.packets.pictures:
            return None
        packets, shift = found.packets, found.shift
        stated = [
            Statement(media + shift, one.start)
            for place, (one, media) in enumerate(zip(stretch, packets.starts, strict=True))
            if media is not None and (one.segment.stated or place == 0)
        ]
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

    async def _read(self, stretch: Sequence[Fetched]) -> FoundSound | None:
        """By the heads of fragments; None if tools have to look at it."""
        name = stretch[0].init_file
        if not name or stretch[0].segment.form not in FRAGMENTS:
            return None
        files = await self.assembler.files(stretch)
        init = await self.assembler.read(name)
        try:
            header = read_header(init, b"soun")
            packets = await trio.to_thread.run_sync(fragment_pictures, files, header)
        except ValueError:
            return None
        form, is_muxed = await self.format(stretch), has_track(init, b"vide")
        return FoundSound(form, packets, header, is_muxed=is_muxed) if form is not None else None

    async def _probe(self, stretch: Sequence[Fetched]) -> FoundSound | None:
        """By tools that read all of it."""
        raw = self._path("raw")
        sizes = await self.assembler.put_together(stretch, raw)
        every = await formats(self.bench, raw)
        form = next((one for one in every if one.type == "audio"), None)
        if form is None:
            return None
        packets = await pictures(self.bench, raw, form, sizes)
        shift = await self._packed(raw, packets.pictures[0].media if packets.pictures else None)
        raw.unlink()
        return FoundSound(form, packets, None, shift, any(one.type == "video" for one in every))

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
        near = (one for one in self.clocks if one.source in places)
        for clock in sorted(near, key=lambda one: places.index(one.source)):
            if clock.start - 1 <= at <= clock.end + 1:
                for wrap in (Fraction(0), WRAP, -WRAP):
                    if abs(clock.mapping.time(media + wrap) - at) < differing:
                        return clock.mapping, wrap
        return own, Fraction(0)

    async def _write(
        self,
        sound: Sound,
        first: Time,
        last: Time,
        target: Path,
        place: int,
        rate: int,
        channels: int,
    ) -> None:
        """Decode `[first, last)` and put it at its place among the samples."""
        raw = await self._near(sound, first, last)
        media = sound.mapping.media(first) - sound.shift
        start, number = round(media * rate), round((last - first) * rate)
        made = self._path("part")
        wanted = chosen(start, number, rate)
        await ffmpeg_patiently(
            self.bench,
            *source(raw, "-copyts"),
            *("-map", f"0:{sound.format.index}", "-vn", "-af", wanted, "-ac", str(channels)),
            *("-ar", str(rate), "-c:a", "pcm_s16le", "-f", "s16le", f"file:{made}"),
        )
        raw.unlink()
        await trio.to_thread.run_sync(put, made, target, place * SAMPLE * channels)
