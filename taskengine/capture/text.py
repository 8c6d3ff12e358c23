"""The captions of a clip, in whatever form its sources have them, as one WebVTT file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import trio

from taskengine.capture.assembly import Assembler
from taskengine.capture.clock import Clock, clock_of
from taskengine.capture.cues import Cue, WebVtt, cut, read_webvtt
from taskengine.capture.model import UNREADABLE, Fetched, SourceRefused, Time
from taskengine.capture.pieces import Span
from taskengine.capture.text_mp4 import samples, webvtt_cues
from taskengine.capture.ttml import read_ttml

WRAP: Final = Fraction(2**33, 90_000)  # seconds after which clocks of MPEG-TS begin anew
MAX_SEGMENT: Final = 16 << 20  # bytes
SLACK: Final = Fraction(1)  # seconds by which a cue may lie beside its segment


@dataclass(slots=True)
class TextCutter:
    """Cuts one track of one clip. `clocks` are those of its pictures; `styles` collects the blocks
    of styles that its segments have."""

    assembler: Assembler
    clocks: Sequence[Clock]
    styles: dict[str, None] = field(default_factory=dict)

    async def cues(self, segments: Sequence[Fetched], spans: Sequence[Span]) -> list[Cue]:
        """What the spans show, at its times in the result. Raises SourceRefused."""
        found: list[Cue] = []
        for one in segments:
            found += await trio.to_thread.run_sync(self._read, one, *await self._bytes(one))
        return cut(found, spans)

    async def _bytes(self, one: Fetched) -> tuple[bytes, bytes]:
        init = await self.assembler.read(one.init_file) if one.init_file else b""
        data = await self.assembler.read(one.file)
        if len(init) + len(data) > MAX_SEGMENT:
            raise SourceRefused("a segment of captions that is too large")
        return init, data

    def _read(self, one: Fetched, init: bytes, data: bytes) -> list[Cue]:
        """On the timeline. Raises SourceRefused."""
        try:
            return self._cues(one, init, data)
        except UNREADABLE as error:
            raise SourceRefused(f"a segment of captions that cannot be read: {error}") from None

    def _cues(self, one: Fetched, init: bytes, data: bytes) -> list[Cue]:
        if data[4:8] in (b"styp", b"moof", b"sidx", b"ftyp", b"emsg", b"prft"):
            return list(_in_mp4(one, init, data))
        if data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"WEBVTT"):
            return self._webvtt(one, read_webvtt(data.decode("utf-8", "replace")))
        return self._placed(one, read_ttml(data))

    def _webvtt(self, one: Fetched, said: WebVtt) -> list[Cue]:
        self.styles.update(dict.fromkeys(said.styles))
        clock = clock_of(self.clocks, one.source, one.start)
        if said.media is not None and clock is not None:
            at = clock.mapping.time(said.media)
            at += round((one.start - at) / WRAP) * WRAP
            cues = [cue.moved(at - said.local) for cue in said.cues]
            if not cues or any(_is_beside(cue, one) for cue in cues):
                return cues
        return self._placed(one, list(said.cues))

    def _placed(self, one: Fetched, cues: list[Cue]) -> list[Cue]:
        """Times that say not what they count from: from the segment's start where they all fit
        into it, else on the clock of the pictures."""
        by_segment = [cue.moved(one.start) for cue in cues]
        if all(cue.start < one.segment.duration for cue in cues):
            return by_segment
        clock = clock_of(self.clocks, one.source, one.start)
        if clock is not None:
            by_media = [cue.moved(clock.mapping.time(Fraction(0))) for cue in cues]
            if any(_is_beside(cue, one) for cue in by_media):
                return by_media
        return by_segment


def _is_beside(cue: Cue, one: Fetched) -> bool:
    return cue.start < one.end + SLACK and cue.end > one.start - SLACK


def _in_mp4(one: Fetched, init: bytes, data: bytes) -> Iterator[Cue]:
    found = samples(init, data)
    if not found:
        return
    offset: Time = one.start - found[0].start
    if b"wvtt" in init:
        yield from (cue.moved(offset) for cue in webvtt_cues(found))
        return
    for sample in found:
        first, last = sample.start, sample.start + sample.duration
        for cue in read_ttml(sample.data) if sample.data.strip(b"\0") else ():
            is_own = cue.start < first and cue.end <= sample.duration + SLACK
            placed = cue.moved(first) if is_own and cue.end <= first else cue
            start, end = max(first, placed.start), min(last, placed.end)
            if start < end:
                yield Cue(start + offset, end + offset, placed.text)
