"""Finishing the packager's master playlist: names, defaults and purposes of tracks, and rates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from taskengine.media.labels import defaults, is_special, labels
from taskengine.media.tracks import ACCESSIBLE, Track

MEDIA, VARIANT = "#EXT-X-MEDIA:", "#EXT-X-STREAM-INF:"
ATTRIBUTE: Final = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')
DESCRIBES_VIDEO: Final = "public.accessibility.describes-video"
FOR_THE_DEAF: Final = (
    "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
)

Attributes = dict[str, str]


def finish_master(text: str, tracks: Sequence[Track], playlists: Sequence[str]) -> str:
    """The master playlist with what is known of its tracks; `playlists` are theirs."""
    number_of = {f'"{name}"': number for number, name in enumerate(playlists)}
    lines = text.splitlines()
    made = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith(MEDIA):
            made.append(_written(MEDIA, _media(_attributes(line), tracks, number_of)))
        elif line.startswith(VARIANT):
            number = number_of.get(f'"{following}"')
            track = None if number is None else tracks[number]
            made.append(_written(VARIANT, _variant(_attributes(line), track)))
        else:
            made.append(line)
    return "\n".join(made) + "\n"


def audio_group(track: Track) -> str:
    """Renditions of one group are of one codec: a player that lacks it takes another variant."""
    return f"audio-{re.sub(r'[^a-z0-9]', '', track.codec.lower()) or 'any'}"


def _attributes(line: str) -> Attributes:
    return dict(ATTRIBUTE.findall(line.partition(":")[2]))


def _written(tag: str, attributes: Attributes) -> str:
    return tag + ",".join(f"{name}={value}" for name, value in attributes.items() if value)


def _media(said: Attributes, tracks: Sequence[Track], number_of: Mapping[str, int]) -> Attributes:
    number = number_of.get(said.get("URI", ""))
    if number is None:  # captions inside the pictures
        return said
    return said | {"NAME": f'"{labels(tracks)[number]}"'} | dict(_choice(tracks, number))


def _choice(tracks: Sequence[Track], number: int) -> Iterator[tuple[str, str]]:
    """When players take a rendition by themselves, and whom it is for."""
    track = tracks[number]
    before = [one for one in tracks[:number] if one.type == track.type]
    is_first = all(_audience(one) != _audience(track) for one in before)
    if track.type == "audio":
        is_default = defaults(tracks)[number]
        yield "DEFAULT", _flag(is_default)
        is_taken = is_default or track.kind in ACCESSIBLE or (is_first and not is_special(track))
        yield "AUTOSELECT", _flag(is_taken)
        yield "CHARACTERISTICS", _quoted(DESCRIBES_VIDEO if track.kind in ACCESSIBLE else "")
        return
    is_forced = track.role == "forced-subtitle"
    yield "DEFAULT", "NO"
    yield "AUTOSELECT", _flag(is_first or is_forced)
    yield "FORCED", "YES" if is_forced else ""
    yield "CHARACTERISTICS", _quoted(FOR_THE_DEAF if track.role == "caption" else "")


def _audience(track: Track) -> tuple[str, str, str, str]:
    return track.language, track.kind, track.role, track.codec


def _variant(said: Attributes, track: Track | None) -> Attributes:
    """A peak is no lower than the average; the frame rate is that of the source."""
    peak, average = int(said.get("BANDWIDTH", 0)), int(said.get("AVERAGE-BANDWIDTH", 0))
    rate = f"{track.frame_rate:.3f}" if track and track.frame_rate else said.get("FRAME-RATE", "")
    return said | {"BANDWIDTH": str(max(peak, average)), "FRAME-RATE": rate}


def _flag(value: bool) -> str:
    return "YES" if value else "NO"


def _quoted(value: str) -> str:
    return f'"{value}"' if value else ""
