"""What is said of tracks that were cut out of a stream: languages, roles, times."""

from __future__ import annotations

from dataclasses import replace

from taskengine.capture.clip import Range
from taskengine.capture.model import SourceTrack, Time
from taskengine.capture.moments import told
from taskengine.media.languages import normal_language
from taskengine.media.tracks import Track, TrackType


def described(made: Track, track: SourceTrack) -> Track:
    """As the source describes it."""
    kind: TrackType = made.type
    language = normal_language(track.language or "und")
    role = track.role or ("subtitle" if kind == "text" else "")
    return replace(made, language=language, kind=track.kind if kind == "audio" else "", role=role)


def timed(track: Track, zero: Time, start: Time, within: Range) -> Track:
    """With the source's own time of what is shown first, and when that was: `start` is the time of
    its clip's timeline."""
    began = told(start, has_clock=within.has_clock)
    return replace(track, zero=float(zero), began=began if isinstance(began, str) else "")
