"""The manifests of an asset: a set is made of one segment of each track, then written out for all.

So what players mind (codecs, key systems, names, defaults) is said by what says it of any other
asset, and only the lists of segments are written here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

from taskengine.archive.index import Placed
from taskengine.archive.locking import keep_head
from taskengine.archive.mpd import ListedPeriod, write_mpd
from taskengine.archive.plan import AssetPlan, PlannedSpan
from taskengine.archive.playlists import (
    ListedSegment,
    ListedSpan,
    media_playlist,
    rate_of,
    with_rates,
)
from taskengine.media.marking import mark_playlist
from taskengine.media.sets import MadeSet, SetName
from taskengine.media.streams import output_name, playlist_name, segment_name
from taskengine.media.tracks import Track

CLEAR: Final = "clear"  # the label of media that is not encrypted


@dataclass(frozen=True, slots=True)
class SampledSet:
    """A set of one segment of each track, of spans whose tracks have the same initializations;
    `scales` are ticks a second, by track, and `files` what it was made of."""

    made: MadeSet
    tracks: Sequence[Track]
    scales: Sequence[int]
    files: Sequence[Path]


@dataclass(frozen=True, slots=True)
class SegmentLink:
    """A name beside the manifests for a segment of an archive, encrypted by a scheme or clear."""

    capture_id: str
    placed: Placed
    label: str
    name: str


@dataclass(slots=True)
class AssetWriter:
    """Writes into `folder`. `stems` are what names of media begin with, by the label of a set's
    media: clear, cenc, cbcs."""

    plan: AssetPlan
    name: SetName
    stems: Mapping[str, str]
    folder: Path
    links: list[SegmentLink] = field(default_factory=list)
    files: list[str] = field(default_factory=list)  # in the order of publishing
    _spans: dict[str, list[ListedSpan]] = field(default_factory=dict)  # by file of the track
    _numbers: Counter[str] = field(default_factory=Counter)

    def write(self, samples: Mapping[tuple[str, ...], SampledSet]) -> None:
        """`samples` are by the initializations of spans. Blocking."""
        places = {inits: place for place, inits in enumerate(samples)}
        periods = []
        for planned in self.plan.spans:
            sample = samples[planned.span.inits]
            periods.append(self._period(planned, sample, places[planned.span.inits]))
        first = samples[self.plan.spans[0].span.inits]
        self._write_playlists(first)
        rates = {file: rate_of(own) for file, own in self._spans.items()}
        master = (first.made.folder / self.name.of("m3u8")).read_text("utf-8")
        by_playlist = {playlist_name(file): rate for file, rate in rates.items()}
        self._write(self.name.of("m3u8"), with_rates(master, by_playlist))
        self._write(self.name.of("mpd"), write_mpd(periods, rates, self.plan.markers))
        server = (first.made.folder / self.name.of("ism")).read_text("utf-8")
        self._write(self.name.of("ism"), server)

    def _period(self, planned: PlannedSpan, sample: SampledSet, place: int) -> ListedPeriod:
        listed: dict[str, ListedSpan] = {}
        numbers: dict[str, int] = {}
        for label, stem in self.stems.items():
            for index, row in enumerate(planned.span.segments.values()):
                file = output_name(stem, sample.tracks, index)
                if file in sample.made.media:
                    numbers[file] = self._numbers[file] + 1
                    source = sample.files[index] if label == CLEAR else None
                    init = self._init(sample, file, place, source)
                    own = self._named(planned.capture_id, row, label, file, sample.scales[index])
                    listed[file] = ListedSpan(init, own)
                    self._spans.setdefault(file, []).append(listed[file])
        main, scale = planned.span.main, sample.scales[0]
        length = Fraction(sum(one.ticks for _, one in main), scale)
        said = (sample.made.folder / self.name.of("mpd")).read_text("utf-8")
        return ListedPeriod(said, listed, numbers, Fraction(main[0][1].time, scale), length)

    def _init(self, sample: SampledSet, file: str, place: int, source: Path | None) -> str:
        """The file that initializes a track, in spans that are not like the first one another.
        Clear segments are those of the archive, which may count on what initializes them there."""
        name = file if place == 0 else f"{file.rpartition('.')[0]}_init{place + 1}.mp4"
        if not (self.folder / name).exists():
            keep_head(source or sample.made.folder / file, self.folder / name)
            self.files.append(name)
        return name

    def _named(
        self, capture_id: str, row: Sequence[Placed], label: str, file: str, scale: int
    ) -> list[ListedSegment]:
        found = []
        for placed in row:
            self._numbers[file] += 1
            name, one = segment_name(file, self._numbers[file]), placed[1]
            self.links.append(SegmentLink(capture_id, placed, label, name))
            found.append(ListedSegment(name, one.time, one.ticks, scale, one.size))
        return found

    def _write_playlists(self, first: SampledSet) -> None:
        began = self.plan.spans[0].span.start
        for file, own in self._spans.items():
            name = playlist_name(file)
            if name in first.made.media:
                said = (first.made.folder / name).read_text("utf-8")
                text = media_playlist(own, said, began)
                self._write(name, mark_playlist(text, self.plan.markers))

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")
        self.files.append(name)
