"""A clip as a job asks for it, and what is known of it once its stream was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

from taskengine.capture.encryption.keys import ClipKeys
from taskengine.capture.filters import Matches, read_filter
from taskengine.capture.model import SourceTrack, Time, TrackType, Window
from taskengine.capture.moments import Moment, read_moment, told
from taskengine.model import PermanentFailure

MAX_TRACKS = 100  # of a clip
FOREVER = Fraction(10**12)


@dataclass(frozen=True, slots=True)
class Clip:
    """`place` is its number in the job, from 0."""

    place: int
    sources: tuple[str, ...]
    start: Moment | None = None
    end: Moment | None = None
    filter: str = ""
    keys: ClipKeys = field(default_factory=ClipKeys)

    @property
    def has_offsets(self) -> bool:
        """One of its times counts from the first media that is offered."""
        return any(one is not None and one.is_offset for one in (self.start, self.end))

    @property
    def matches(self) -> Matches:
        return read_filter(self.filter) if self.filter else lambda track: True

    def chosen(self, tracks: Sequence[SourceTrack]) -> list[SourceTrack]:
        """Those that the filter lets through. Raises PermanentFailure for none and for too many."""
        matches = self.matches
        found = [track for track in tracks if matches(track)]
        if not found:
            raise PermanentFailure(f"clip {self.place}: its filter lets nothing through")
        if len(found) > MAX_TRACKS:
            raise PermanentFailure(
                f"clip {self.place}: its filter lets {len(found)} tracks through,"
                f" expected at most {MAX_TRACKS}"
            )
        return found

    def ranged(self, tracks: dict[str, SourceTrack], window: Window, now: Time) -> Range:
        """Its times on the timeline of a stream. Raises PermanentFailure if that has none; one
        without media does not say whether it has."""
        offered = window.start
        absolute = [one for one in (self.start, self.end) if one is not None and not one.is_offset]
        has_clock = window.has_clock or (bool(absolute) and not window.segments)
        if absolute and not has_clock:
            raise PermanentFailure(
                f"clip {self.place}: the stream has no clock, its times have to be hh:mm:ss"
            )
        if offered is None:
            offered = now if has_clock else Fraction(0)
        start = self.start.on(offered) if self.start else offered
        end = self.end.on(offered) if self.end else FOREVER
        return Range(tracks, start, end, has_clock)

    @classmethod
    def read(cls, place: int, said: Mapping[str, Any]) -> Clip:
        """Of a job's parameters. Raises PermanentFailure that names the field."""
        sources = said.get("sources") or [said["source"]]
        text = said.get("filter") or ""
        try:
            read_filter(text) if text else None
        except ValueError as error:
            raise PermanentFailure(f"clips[{place}].filter: {error}") from None
        keys = ClipKeys.read(place, said)
        start, end = (_moment(place, name, said.get(name)) for name in ("start", "end"))
        return cls(place, tuple(sources), start, end, text, keys)


def _moment(place: int, name: str, text: str | None) -> Moment | None:
    try:
        return read_moment(text) if text else None
    except ValueError as error:
        raise PermanentFailure(f"clips[{place}].{name}: {error}") from None


@dataclass(frozen=True, slots=True)
class Range:
    """What a clip turned out to be: its tracks by our names, and its times on the timeline."""

    tracks: Mapping[str, SourceTrack]
    start: Time
    end: Time  # FOREVER: to the end of the stream
    has_clock: bool

    @property
    def fetched(self) -> Mapping[str, SourceTrack]:
        """The tracks with segments of their own."""
        return {name: track for name, track in self.tracks.items() if not track.inside}

    @property
    def speaker(self) -> TrackType:
        """The tracks whose manifests are heard of advertising: others repeat it, at the starts of
        their own segments."""
        types = {track.type for track in self.fetched.values()}
        return "video" if "video" in types else "audio"

    def holder(self, name: str) -> str:
        """The track whose segments hold a track."""
        inside = self.tracks[name].inside
        return next((own for own, one in self.tracks.items() if inside and one.id == inside), name)

    def told(self) -> str:
        """`<start> to <end>`, as lines have it."""
        start, end = (told(time, has_clock=self.has_clock) for time in (self.start, self.end))
        return f"{start} to {'its end' if self.end == FOREVER else end}"

    def to_json(self) -> dict[str, Any]:
        return {
            "tracks": {name: asdict(track) for name, track in self.tracks.items()},
            "start": str(self.start),
            "end": str(self.end),
            "has_clock": self.has_clock,
        }

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Range:
        tracks = {
            name: SourceTrack(**{**track, "captions": tuple(track["captions"])})
            for name, track in said["tracks"].items()
        }
        return cls(tracks, Fraction(said["start"]), Fraction(said["end"]), said["has_clock"])


def named(tracks: Sequence[SourceTrack]) -> dict[str, SourceTrack]:
    """Names for a clip's tracks: `video-1`, the best first; `audio-1`, the source's default first,
    which is that of the result; …"""
    found: dict[str, SourceTrack] = {}
    for kind in ("video", "audio", "text", "image"):
        own = [track for track in tracks if track.type == kind]
        if kind == "video":
            own.sort(key=lambda track: (-track.height, -track.bitrate))
        else:
            own.sort(key=lambda track: not track.is_default)
        found |= {f"{kind}-{number}": track for number, track in enumerate(own, 1)}
    return found
