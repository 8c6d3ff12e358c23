"""The recording of a remix clip: that of its sources as one, its tracks under names of one clip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from taskengine.capture.clip import MAX_TRACKS, Clip, Range, named
from taskengine.capture.model import Fetched, Form, Resource, Segment, Signal, SourceTrack, Window
from taskengine.capture.noting import Noted
from taskengine.capture.recording import Recording
from taskengine.media.languages import normal_language
from taskengine.media.tracks import Track
from taskengine.model import PermanentFailure

NOTE: Final = "clip.json"  # that a clip is recorded, and what it is
Voice = tuple[str, str]  # the language and the kind of a track of sound


@dataclass(frozen=True, slots=True)
class StreamClip(Clip):
    """Everything of a stream but images, and of a further rendition the sound that others have."""

    heard: frozenset[Voice] = frozenset()

    def chosen(self, tracks: Sequence[SourceTrack]) -> list[SourceTrack]:
        """Raises PermanentFailure as any clip."""
        usable = [track for track in tracks if track.type != "image"]
        return Clip.chosen(self, wanted(usable, self.heard))


@dataclass(slots=True)
class Offered:
    """What one source has of a clip: segments by the ids of its tracks. `range` is that of a
    stream; a file begins at 0 and has none."""

    tracks: list[SourceTrack] = field(default_factory=list)
    segments: dict[str, list[Fetched]] = field(default_factory=dict)
    range: Range | None = None
    signals: Sequence[Signal] = ()

    @property
    def has_clock(self) -> bool:
        return self.range is not None and self.range.has_clock


def voice(track: SourceTrack | Track) -> Voice:
    """What tells sounds apart that are not the same in two qualities."""
    return normal_language(track.language or "und"), track.kind


def wanted(tracks: Sequence[SourceTrack], heard: frozenset[Voice]) -> list[SourceTrack]:
    """Of renditions of one clip each may have the same sound: it counts once."""
    if all(track.type != "video" for track in tracks):
        return list(tracks)
    return [track for track in tracks if track.type != "audio" or voice(track) not in heard]


def voices(tracks: Sequence[SourceTrack]) -> set[Voice]:
    """Those of a source with pictures."""
    has_pictures = any(track.type == "video" for track in tracks)
    return {voice(track) for track in tracks if has_pictures and track.type == "audio"}


def of_file(source: int, place: int, track: Track) -> SourceTrack:
    """A track of a media file as one that a source offers."""
    return SourceTrack(
        id=f"{source}-{place}",
        type=track.type,
        bitrate=track.bitrate,
        codec=track.codec,
        language="" if track.language == "und" else track.language,
        role=track.role,
        kind=track.kind,
        name=track.description,
        width=track.width,
        height=track.height,
        frame_rate=track.frame_rate,
        channels=track.channels,
        is_default=track.preferred,
    )


def of_stream(source: int, found: Range, recording: Recording) -> Offered:
    """What was recorded of a stream, its files seen from the folder above that recording."""
    offered = Offered(range=found)
    folder = f"source-{source}"
    for name, track in found.tracks.items():
        inside = f"{source}-{track.inside}" if track.inside else ""
        own = replace(track, id=f"{source}-{track.id}", inside=inside)
        offered.tracks.append(own)
        if not track.inside:
            offered.segments[own.id] = [
                replace(
                    one,
                    source=source,
                    file=f"{folder}/{one.file}",
                    init_file=f"{folder}/{one.init_file}" if one.init_file else "",
                )
                for one in recording.of(name)
            ]
    return offered


def segment(
    source: int, number: int, start: Fraction, end: Fraction, file: str, init: str = ""
) -> Fetched:
    """A stretch of a file's track that lies in the recording."""
    form: Form = "mp4" if init else "vtt"
    said = Segment(number, start, end - start, Resource(""), None, "file", form, stated=True)
    return Fetched("", source, said, file, init)


async def merge(clip: Clip, offered: Sequence[Offered], recording: Recording) -> Range:
    """Note all that the sources offer as one clip. Raises PermanentFailure for what is none."""
    tracks = [track for one in offered for track in one.tracks]
    if not tracks:
        raise PermanentFailure(f"clip {clip.place}: there is no video, audio or text in it")
    if len(tracks) > MAX_TRACKS:
        raise PermanentFailure(
            f"clip {clip.place}: {len(tracks)} tracks, expected at most {MAX_TRACKS}"
        )
    if len({one.has_clock for one in offered}) > 1:
        raise PermanentFailure(f"clip {clip.place}: its sources have no common clock")
    names = named(tracks)
    segments = {id_: found for one in offered for id_, found in one.segments.items()}
    found = _range(clip, offered, names)
    for name, track in names.items():
        for one in segments.get(track.id, ()):
            recording.note(replace(one, track=name))
    await recording.write_page()
    noted = Noted(recording)
    for place, source in enumerate(offered):
        await noted.note(place, source.signals)
    await recording.write_note(NOTE, json.dumps(found.to_json()))
    return found


def _range(clip: Clip, offered: Sequence[Offered], names: dict[str, SourceTrack]) -> Range:
    """The first stream says what its times are; those of files count from 0."""
    said = next((one.range for one in offered if one.range is not None), None)
    if said is not None:
        return replace(said, tracks=names)
    beginning = segment(0, 0, Fraction(0), Fraction(0), "").segment
    return clip.ranged(names, Window((beginning,), has_clock=False), Fraction(0))
