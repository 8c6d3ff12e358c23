"""What viewers read of tracks, and which of them players take by themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count
from typing import Final

from taskengine.media.languages import language_name
from taskengine.media.tracks import ACCESSIBLE, SECONDARY, Track

NAMED_BY_RULE: Final = re.compile(r"(audio|textstream)_[A-Za-z0-9-]+(_\d+)?")  # by tracks.arrange
NAMELESS: Final = {"audio": "Audio", "text": "Captions", "video": "Video"}
SUFFIXES: Final = {
    "descriptions": "audio description", "main-desc": "audio description",
    "commentary": "commentary", "caption": "captions", "forced-subtitle": "forced",
}  # fmt: skip
UNSAFE: Final = str.maketrans({'"': "'", "\r": " ", "\n": " ", "\0": " "})  # in a quoted value


def labels(tracks: Sequence[Track]) -> list[str]:
    """One for each track, unlike those of the others of its type (RFC 8216, 4.3.4.1.1): what the
    job or the media calls it, else its language and purpose."""
    found: list[str] = []
    for place, track in enumerate(tracks):
        same = [n for n, other in enumerate(tracks[:place]) if is_same(track, other)]
        taken = {one for one, other in zip(found, tracks, strict=False) if other.type == track.type}
        found.append(found[same[0]] if same else _distinct(_plain(track), taken))
    return found


def _distinct(label: str, taken: set[str]) -> str:
    numbered = (f"{label} {number}" for number in count(2))
    return label if label not in taken else next(one for one in numbered if one not in taken)


def defaults(tracks: Sequence[Track]) -> list[bool]:
    """Which tracks of sound players begin with: the first one made for everybody, and what is the
    same in another codec."""
    audio = [track for track in tracks if track.type == "audio"]
    first = next((one for one in audio if not is_special(one)), audio[0] if audio else None)
    return [track is first or (first is not None and is_same(track, first)) for track in tracks]


def is_special(track: Track) -> bool:
    """Whether it is made for few listeners, or not the film's own sound."""
    return track.kind in ACCESSIBLE or track.kind in SECONDARY or track.role in SECONDARY


def is_same(track: Track, other: Track) -> bool:
    """Whether one holds the sound of the other in another codec."""
    return track.type == other.type == "audio" and track.companion == other.name != ""


def _plain(track: Track) -> str:
    if track.description:
        return track.description.translate(UNSAFE).strip() or NAMELESS[track.type]
    if track.name and not NAMED_BY_RULE.fullmatch(track.name):
        return track.name.translate(UNSAFE)
    name = language_name(track.language) or NAMELESS[track.type]
    purpose = SUFFIXES.get(track.kind) or SUFFIXES.get(track.role)
    return f"{name} ({purpose})" if purpose else name
