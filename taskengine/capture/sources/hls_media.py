"""Media playlists: the segments of one track, on a timeline that outlives each reading.

A live playlist shows a window of its stream. Where a reading states no time (the tag has rolled
off, or there never was one), segments that were known before say where the others are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from taskengine.capture.model import Form, Segment, Time, Window
from taskengine.capture.sources.hls_reading import PlaylistItem, PlaylistReading
from taskengine.capture.sources.hls_signals import read_signals
from taskengine.capture.sources.hls_tags import Lines, Tag
from taskengine.capture.sources.tile_layouts import stated_layout

SHORTEST_REFRESH, LONGEST_REFRESH = 0.5, 10.0  # seconds
FORMS: Mapping[str, Form] = {
    **dict.fromkeys(("ts", "m2ts", "mpegts"), "ts"),
    **dict.fromkeys(("aac", "mp3", "ac3", "ec3"), "aac"),
    **dict.fromkeys(("vtt", "webvtt"), "vtt"),
    **dict.fromkeys(("ttml", "xml", "dfxp"), "ttml"),
}
MP4_FORMS = frozenset({"mp4", "m4s", "m4a", "m4v", "cmfv", "cmfa", "cmft", "m4f", "mp4a"})


@dataclass(slots=True)
class MediaPlaylist:
    """The memory of one media playlist, reading after reading."""

    form: Form | None = None  # of its segments, where their names do not say
    _starts: dict[int, Time] = field(default_factory=dict)  # of the last reading, by number
    _runs: dict[int, int] = field(default_factory=dict)
    _has_clock: bool = False

    def read(self, text: str, url: str, variables: Mapping[str, str] | None = None) -> Window:
        """What it offers now. Raises SourceRefused."""
        lines = Lines(text, url, variables or {})
        reading = PlaylistReading(lines)
        for tag in lines:
            reading.take(tag)
        items = reading.items
        starts = self._located(items)
        runs = self._numbered(items)
        segments = tuple(
            self._segment(item, start, runs[item.number])
            for item, start in zip(items, starts, strict=True)
            if not item.is_gap and item.duration
        )
        self._starts = {item.number: at for item, at in zip(items, starts, strict=True)}
        self._runs = runs
        refresh = min(max(float(reading.target) / 2, SHORTEST_REFRESH), LONGEST_REFRESH)
        problems: dict[str, None] = {}
        signals = read_signals(reading.signals, starts, problems.setdefault)
        return Window(
            segments, self._has_clock, reading.is_over, refresh, tuple(signals), tuple(problems)
        )

    def _located(self, items: list[PlaylistItem]) -> list[Time]:
        """The start of each: stated, or the sum from the stated or known one before; those before
        the first such time are counted back from it."""
        if any(item.stated is not None for item in items) and not self._has_clock:
            self._has_clock, self._starts = True, {}
        starts: list[Time | None] = []
        at: Time | None = None
        for item in items:
            known = self._starts.get(item.number)
            at = next((one for one in (item.stated, known, at) if one is not None), None)
            starts.append(at)
            at = None if at is None else at + item.duration
        first = next((place for place, start in enumerate(starts) if start is not None), None)
        if first is None:
            return _summed(items, self._end_of_the_last(items))
        for place in range(first - 1, -1, -1):
            starts[place] = starts[place + 1] - items[place].duration  # type: ignore[operator]
        return [start for start in starts if start is not None]

    def _end_of_the_last(self, items: list[PlaylistItem]) -> Time:
        """Where a reading goes on that shares no segment with the one before: as if nothing was
        missed, for nobody says how much was."""
        last = max(self._starts, default=None)
        if last is None or not items:
            return Fraction(0)
        missed = max(0, items[0].number - last)
        return self._starts[last] + missed * items[0].duration

    def _numbered(self, items: list[PlaylistItem]) -> dict[int, int]:
        """Which run each belongs to. Without EXT-X-DISCONTINUITY-SEQUENCE the count begins anew
        with each window: segments known before say by how much."""
        shift = next(
            (
                self._runs[item.number] - item.discontinuities
                for item in items
                if item.number in self._runs
            ),
            0,
        )
        return {item.number: item.discontinuities + shift for item in items}

    def _segment(self, item: PlaylistItem, start: Time, run: int) -> Segment:
        init = f"{item.init.url}@{item.init.offset}" if item.init else ""
        form, tiles = self._form(item), None
        if form == "image":
            tiles = stated_layout(Tag("", item.tiles).attributes, item.duration)
        return Segment(
            item.number,
            start,
            item.duration,
            item.media,
            item.init,
            f"{run}|{init}",
            form,
            item.encryption,
            stated=item.stated is not None,
            tiles=tiles,
        )

    def _form(self, item: PlaylistItem) -> Form:
        if self.form == "image":
            return "image"
        suffix = item.media.url.partition("?")[0].rpartition(".")[2].lower()
        if item.init is not None or suffix in MP4_FORMS:
            return "mp4"
        return FORMS.get(suffix) or self.form or "ts"


def _summed(items: list[PlaylistItem], start: Time) -> list[Time]:
    starts = []
    for item in items:
        starts.append(start)
        start += item.duration
    return starts
