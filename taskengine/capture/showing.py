"""What of a clip is shown: the pieces of each rendition, the spans that they fill, the gaps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from taskengine.capture.assembly import Assembler
from taskengine.capture.audio import AudioCutter
from taskengine.capture.clip import FOREVER, Range
from taskengine.capture.clock import Clock
from taskengine.capture.hearing import hear
from taskengine.capture.looked import Looked, blank_number
from taskengine.capture.model import Fetched, Gap, SourceTrack, Time, TrackType
from taskengine.capture.packets import Format
from taskengine.capture.pieces import Piece, Span, Stretch, covering, filled, stretches, uncovered
from taskengine.capture.recording import Recording
from taskengine.capture.sources.matching import nearest
from taskengine.capture.video import VideoCutter
from taskengine.media.tools import Bench
from taskengine.model import PermanentFailure
from taskengine.storage import Folder


@dataclass(frozen=True, slots=True)
class Rendition:
    """Pieces of stretches; where its own are missing, of other renditions."""

    looked: tuple[Looked, ...]
    pieces: tuple[Piece, ...]

    @property
    def format(self) -> Format:
        first = next(one for one in self.pieces if not one.is_blank)
        return self.looked[first.stretch].format

    def spans(self, model: Format) -> list[Span]:
        """What is shown of the timeline, as long as it is shown in pictures like the model's."""
        return [Span(one.start, one.start + self._length(one, model)) for one in self.pieces]

    @property
    def zero(self) -> Time:
        """The source's own time of what is shown first, seconds."""
        first = next(one for one in self.pieces if not one.is_blank)
        media = self.looked[first.stretch].stretch.pictures[first.first].media
        return max(Fraction(0), media - (first.start - self.pieces[0].start))

    def number(self, model: Format) -> int:
        return sum(
            blank_number(one, model)
            if one.is_blank
            else self.looked[one.stretch].number(one, model)
            for one in self.pieces
        )

    def _length(self, piece: Piece, model: Format) -> Time:
        if piece.is_blank:
            return piece.end - piece.start
        return self.looked[piece.stretch].length(piece, model)


@dataclass(slots=True)
class RecordedClip:
    """A clip as it lies in the workspace."""

    place: int
    range: Range
    recording: Recording
    bench: Bench
    assembler: Assembler
    known: dict[str, Format]  # formats of pictures by initialization, shared by all clips
    _looked: dict[str, list[Looked]] = field(default_factory=dict, init=False)  # by rendition
    _has_unreadable: bool = field(default=False, init=False)

    @classmethod
    async def open(
        cls, place: int, folder: Folder, bench: Bench, scratch: Path, known: dict[str, Format]
    ) -> RecordedClip:
        recording = Recording(folder, scratch, "")
        await recording.load()
        said = await recording.read_note("clip.json")
        if said is None:
            raise PermanentFailure(f"clip {place} was not recorded")
        found = Range.of_json(json.loads(said))
        return cls(place, found, recording, bench, Assembler(folder, scratch), known)

    def names(self, kind: TrackType) -> list[str]:
        return [name for name, track in self.range.tracks.items() if track.type == kind]

    def segments(self, name: str) -> list[Fetched]:
        return self.recording.of(self.range.holder(name))

    def alike(self, track: SourceTrack) -> str | None:
        """The name of its own track that stands for one of another clip."""
        found = nearest(track, list(self.range.tracks.values()))
        return next((name for name, one in self.range.tracks.items() if one is found), None)

    def cutter(self, name: str) -> VideoCutter:
        label = f"clip-{self.place}-{name}"
        return VideoCutter(self.bench, self.assembler, label, self.known)

    async def looked(self, name: str) -> list[Looked]:
        """The stretches of a rendition that have pictures, looked at once."""
        if name not in self._looked:
            cutter = self.cutter(f"{name}-look")
            found = [await cutter.look(one) for one in stretches(self.segments(name))]
            self._looked[name] = [one for one in found if one is not None]
            self._has_unreadable |= cutter.has_unreadable
        return self._looked[name]

    async def look(self, *, accurate: bool = True, fill: bool = False) -> Shown:
        """Raises PermanentFailure if there is not one picture of the range."""
        looked = {name: await self.looked(name) for name in self.names("video")}
        if self._has_unreadable and not any(looked.values()):
            raise PermanentFailure(f"clip {self.place}: it has no pictures that a decoder takes")
        # Nothing that was had has pictures in it.
        is_radio = not looked or any(map(self.segments, looked))
        if is_radio and not any(looked.values()) and (sounds := self.names("audio")):
            return await self._heard(sounds[0], accurate=accurate, fill=fill)
        given = {name: own for name, own in looked.items() if own}
        return _shown(self, given, accurate=accurate, fill=fill)

    async def _heard(self, name: str, *, accurate: bool, fill: bool) -> Shown:
        """A clip without pictures; what is missing of it is silence if it is to be filled."""
        cutter = AudioCutter(self.bench, self.assembler, f"clip-{self.place}-look")
        start, end = self.range.start, self.range.end
        heard = await hear(cutter, self.segments(name), start, end, accurate=accurate)
        if not heard.spans:
            raise PermanentFailure(f"clip {self.place}: nothing of its range was recorded")
        spans = without_gaps(heard.spans, heard.gaps) if fill else heard.spans
        return Shown({}, heard.gaps, heard.clocks, spans)


@dataclass(frozen=True, slots=True)
class Shown:
    """The pictures of a clip: the best rendition is the first one. `heard` is what there is of a
    clip without any."""

    renditions: Mapping[str, Rendition]
    gaps: tuple[Gap, ...]
    clocks: tuple[Clock, ...]
    heard: tuple[Span, ...] = ()

    @property
    def best(self) -> Rendition | None:
        return next(iter(self.renditions.values()), None)

    def zero(self, spans: Sequence[Span]) -> Time:
        """The source's own time of what is shown or heard first, seconds."""
        if (best := self.best) is not None:
            return best.zero
        at = spans[0].start
        clock = min(self.clocks, key=lambda one: one.apart(at))
        return max(Fraction(0), clock.mapping.media(at))

    def spans(self, model: Format | None) -> list[Span]:
        """What is shown of the timeline, in pictures like the model's, or heard."""
        best = self.best
        return list(self.heard) if best is None else best.spans(model or best.format)


def _shown(
    clip: RecordedClip, looked: Mapping[str, Sequence[Looked]], *, accurate: bool, fill: bool
) -> Shown:
    if not looked:
        raise PermanentFailure(f"clip {clip.place}: there are no pictures in what was recorded")
    every = [one for own in looked.values() for one in own]
    best = next(iter(looked.values()))
    start, end = clip.range.start, clip.range.end
    if end == FOREVER:
        end = max(_end(one.stretch) for one in every)
    if not accurate and len(best) == 1:  # discontinuities turn accuracy on by themselves
        start, end = _whole(best[0].stretch, start, end)
    length = best[0].stretch.length
    renditions: dict[str, Rendition] = {}
    missing: list[Gap] = []
    for name in looked:
        groups = [looked[name], *(own for other, own in looked.items() if other != name)]
        rows = [[one.stretch for one in group] for group in groups]
        pieces, missing = covering(rows, start, end, length)
        if not pieces:
            raise PermanentFailure(f"clip {clip.place}: not one picture of its range was recorded")
        if fill:
            pieces = filled(pieces, start, end, looked[name][0].stretch.length)
        flat = tuple(one for group in groups for one in group)
        renditions[name] = Rendition(flat, tuple(pieces))
    return Shown(renditions, tuple(missing), tuple(_clocks(every)))


def _end(stretch: Stretch) -> Time:
    return stretch.time(len(stretch.pictures) - 1) + stretch.length


def _clocks(looked: Sequence[Looked]) -> Iterator[Clock]:
    for one in looked:
        stretch = one.stretch
        place = stretch.segments[0].source
        yield Clock(place, stretch.time(0), _end(stretch), stretch.mapping.earlier(one.late))


def _whole(stretch: Stretch, start: Time, end: Time) -> tuple[Time, Time]:
    """The range of the whole segments that overlap a range (A77)."""
    pictures = stretch.pictures
    first = min(stretch.first_at(start), len(pictures) - 1)
    last = max(first, stretch.first_at(end) - 1)
    bounds = [
        place
        for place, one in enumerate(pictures)
        if pictures[first].segment <= one.segment <= pictures[last].segment
    ]
    return stretch.time(bounds[0]), stretch.time(bounds[-1]) + stretch.length


def without_gaps(spans: Sequence[Span], missing: Sequence[Gap]) -> tuple[Span, ...]:
    """One span over all of them, with what is missing at either end."""
    every = [*spans, *(Span(gap.start, gap.end) for gap in missing)]
    return (Span(min(one.start for one in every), max(one.end for one in every)),)


def silent(segments: Sequence[Fetched], spans: Sequence[Span]) -> list[Gap]:
    """Where segments leave a span without anything."""
    there = [(one.start, one.end) for one in segments]
    joined: list[Gap] = []
    for gap in (gap for span in spans for gap in uncovered(there, span.start, span.end)):
        if joined and gap.start <= joined[-1].end:
            joined[-1] = replace(joined[-1], end=max(gap.end, joined[-1].end))
        else:
            joined.append(gap)
    return joined
