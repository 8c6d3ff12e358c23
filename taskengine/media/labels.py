"""What viewers read of tracks, and which of them players take by themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    taken: set[tuple[str, str]] = set()
    found = []
    for track in tracks:
        plain = _plain(track)
        label, number = plain, 1
        while (track.type, label) in taken and not _is_companion(track, tracks):
            number += 1
            label = f"{plain} {number}"
        taken.add((track.type, label))
        found.append(label)
    return found


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


def _is_companion(track: Track, tracks: Sequence[Track]) -> bool:
    return any(is_same(track, other) for other in tracks)


def _plain(track: Track) -> str:
    if track.description:
        return track.description.translate(UNSAFE).strip() or NAMELESS[track.type]
    if track.name and not NAMED_BY_RULE.fullmatch(track.name):
        return track.name.translate(UNSAFE)
    name = language_name(track.language) or NAMELESS[track.type]
    purpose = SUFFIXES.get(track.kind) or SUFFIXES.get(track.role)
    return f"{name} ({purpose})" if purpose else name
