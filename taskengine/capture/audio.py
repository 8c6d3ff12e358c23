"""The sound of a clip, cut to the pieces that the pictures make, exact to the sample.

What is missing inside a piece is silence, so that sound and pictures stay together however often
either is interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

import trio

from taskengine.capture.model import Fetched, Time
from taskengine.capture.pieces import Span, stretches
from taskengine.capture.samples import chosen, make_silence, put
from taskengine.capture.sound import PACKET, SoundPlan, join_sound, moved_sound, plan_sound
from taskengine.capture.sounding import Sound, SoundReader
from taskengine.media.ffmpeg import FRAGMENTED, ffmpeg, ffmpeg_patiently, source

SAMPLE: Final = 2  # bytes of a sample, signed, little-endian
BITRATE: Final = 128_000  # bits a second, where the source does not say
TOGETHER: Final = Fraction(1, 2000)  # seconds by which spans may be apart that are taken as one
NEAR: Final = Fraction(1)  # seconds around what is decoded


@dataclass(slots=True)
class AudioCutter(SoundReader):
    """Cuts one track of one clip."""

    zero: Time = Fraction(0)  # what the times of its files begin with
    language: str = "und"  # of its files

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
        join = partial(join_sound, plan, encoded, target, self.zero, self.language)
        made = await trio.to_thread.run_sync(join)
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

    async def encode(
        self, samples: Path, rate: int, channels: int, bitrate: int, target: Path
    ) -> None:
        """As AAC. The samples are removed."""
        given = ("-f", "s16le", "-ar", str(rate), "-ac", str(channels), "-i", f"file:{samples}")
        coded = ("-c:a", "aac", "-b:a", str(bitrate or BITRATE))
        made, size = self._path("mp4"), (await trio.Path(samples).stat()).st_size
        seconds = Fraction(size, SAMPLE * channels * rate)
        await ffmpeg(self.bench, *given, *coded, *FRAGMENTED, f"file:{made}")
        move = partial(moved_sound, made, seconds, target, self.zero, self.language)
        await trio.to_thread.run_sync(move)
        made.unlink()
        await trio.Path(samples).unlink()

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
