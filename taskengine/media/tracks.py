"""Tracks: what a set of manifests is made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from taskengine.model import JsonObject, PermanentFailure

TrackType = Literal["video", "audio", "text"]
ACCESSIBLE: Final = frozenset({"descriptions", "main-desc"})  # kinds made for few listeners
_LANGUAGE: Final = re.compile(r"([a-z]{2,3})((?:-[A-Za-z0-9]{1,8})*)")
_TWO_LETTERS: Final = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs
    cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha
    he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn
    ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb
    nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd
    se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw
    ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""  # ISO 639-1; the packager refuses others of that length
_SUFFIX: Final = re.compile(r"_([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})?)\.[^.]+")


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
    captions: str = ""  # services of CEA-608/708 inside the pictures: `CC1=eng;SERVICE2=und`

    @property
    def end(self) -> float:
        return self.start + self.duration

    def to_json(self) -> JsonObject:
        """Itself without what is empty, for Track(**…) to read."""
        return {key: value for key, value in asdict(self).items() if value or key == "stream"}


def arrange(tracks: Iterable[Track], *, every_audio: bool = True) -> list[Track]:
    """Best video first, main audio before accessible audio, and each track with its own name."""
    found = list(tracks)
    video = sorted((t for t in found if t.type == "video"), key=lambda t: -t.bitrate)
    audio = sorted((t for t in found if t.type == "audio"), key=lambda t: t.kind in ACCESSIBLE)
    if not every_audio:
        audio = _best_of_each_language(audio)
    return list(_named([*video, *audio, *(t for t in found if t.type == "text")]))


def language_of(stated: str, file: str, wanted: str | None = None) -> str:
    """The wanted language, else the one the media states, else `…_<language>.<extension>`."""
    suffix = _SUFFIX.search(file)
    for language in (wanted, stated, suffix and suffix[1]):
        if language and (known := normal_language(language)) != "und":
            return known
    return "und"


def normal_language(value: str) -> str:
    """A code of ISO 639 or BCP 47 as tools take it; `und` for what is none."""
    main, dash, rest = value.partition("-")
    found = _LANGUAGE.fullmatch(main.lower() + dash + rest)
    if found is None or (len(found[1]) == 2 and found[1] not in _TWO_LETTERS):
        return "und"
    return found[0]


def checked_language(value: str) -> str:
    """The code for a command line, empty if unknown. Raises PermanentFailure for what is none."""
    if value in ("", "und"):
        return ""
    if normal_language(value) == "und":
        raise PermanentFailure(f"language: expected ISO 639 or BCP 47: {value!r}")
    return normal_language(value)


def longest(tracks: Sequence[Track]) -> float:
    """The duration of a whole: the end of its longest video track, else of its longest track."""
    video = [track.end for track in tracks if track.type == "video"]
    return max(video or [track.end for track in tracks], default=0.0)


def _best_of_each_language(audio: Sequence[Track]) -> list[Track]:
    best: dict[str, Track] = {}
    for track in audio:
        other = best.get(track.language)
        if other is None or (track.kind in ACCESSIBLE, -track.bitrate) < (
            other.kind in ACCESSIBLE,
            -other.bitrate,
        ):
            best[track.language] = track
    return [track for track in audio if best[track.language] is track]


def _named(tracks: Sequence[Track]) -> Iterable[Track]:
    seen: Counter[str] = Counter()
    for track in tracks:
        plain = track.name or "_".join(
            ["textstream" if track.type == "text" else track.type]
            + ([] if track.type == "video" else [track.language])
        )
        seen[plain] += 1
        yield replace(track, name=plain if seen[plain] == 1 else f"{plain}_{seen[plain]}")
