"""Tracks: what a set of manifests is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from taskengine.model import JsonObject

TrackType = Literal["video", "audio", "text"]
ACCESSIBLE: Final = frozenset({"descriptions", "main-desc"})  # kinds made for few listeners
SECONDARY: Final = frozenset({"commentary", "alternative", "translation"})  # beside the film's own
LAST_PACKET: Final = 0.5  # seconds by which sound may outlast pictures without being meant to


@dataclass(frozen=True, slots=True)
class Track:
    """One stream of a file. `folder` says where the file lies, in the terms of the caller."""

    type: TrackType
    file: str
    folder: str = ""
    stream: int = 0  # index in the file
    codec: str = ""
    private: str = ""  # the decoder's configuration, hexadecimal
    language: str = "und"
    bitrate: int = 0
    start: float = 0.0  # seconds after that of the file
    duration: float = 0.0  # seconds
    zero: float = 0.0  # seconds: the time, as its media says it, that the whole begins with
    began: str = ""  # when that was, as UTC, where it is known and wanted
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    channels: int = 0
    sample_rate: int = 0
    kind: str = ""  # of an audio track, as HTML names them
    role: str = ""
    name: str = ""
    description: str = ""
    source: str = ""  # the file of the client that it came from
    preferred: bool = False  # by that file, over the others of its type
    companion: str = ""  # the name of the track whose sound it holds in another codec
    captions: str = ""  # services of CEA-608/708 inside the pictures: `CC1=eng;SERVICE2=und`
    indexed: bool = False  # its file is fragments behind an index, as the packager lays files out

    @property
    def end(self) -> float:
        return self.start + self.duration

    def to_json(self) -> JsonObject:
        """Itself without what is empty, for Track(**…) to read."""
        return {key: value for key, value in asdict(self).items() if value or key == "stream"}


def arrange(tracks: Iterable[Track], *, every_audio: bool = True) -> list[Track]:
    """Best video first; the film's own sound before that of other files, and what is made for few
    listeners last; each track with its own name."""
    found = list(tracks)
    video = sorted((t for t in found if t.type == "video"), key=lambda t: -t.bitrate)
    film = video[0].source if video else ""
    audio = sorted((t for t in found if t.type == "audio"), key=lambda t: _place(t, film))
    if not every_audio:
        audio = _best_of_each_language(audio)
    return list(_named([*video, *audio, *(t for t in found if t.type == "text")]))


def longest(tracks: Sequence[Track]) -> float:
    """The duration of a whole: the end of its longest video track, unless sound goes on for longer
    than an encoder's last packet."""
    ends = {kind: max((t.end for t in tracks if t.type == kind), default=0.0)
            for kind in ("video", "audio", "text")}  # fmt: skip
    if ends["audio"] > ends["video"] + LAST_PACKET:
        return ends["audio"]
    return ends["video"] or ends["text"]


def _place(track: Track, film: str) -> tuple[bool, bool, bool, bool]:
    """Among tracks of sound; `film` is the file that the best video came from."""
    is_few, is_other = track.kind in ACCESSIBLE, track.kind in SECONDARY
    return is_few, is_other, track.source != film, not track.preferred


def _best_of_each_language(audio: Sequence[Track]) -> list[Track]:
    best: dict[str, Track] = {}
    for track in audio:
        other = best.get(track.language)
        if other is None or _rank(track) < _rank(other):
            best[track.language] = track
    return [track for track in audio if best[track.language] is track]


def _rank(track: Track) -> tuple[bool, bool, int]:
    return track.kind in ACCESSIBLE, track.kind in SECONDARY, -track.bitrate


def _named(tracks: Sequence[Track]) -> Iterable[Track]:
    seen: Counter[str] = Counter()
    for track in tracks:
        plain = track.name or "_".join(
            ["textstream" if track.type == "text" else track.type]
            + ([] if track.type == "video" else [track.language])
        )
        seen[plain] += 1
        yield replace(track, name=plain if seen[plain] == 1 else f"{plain}_{seen[plain]}")
