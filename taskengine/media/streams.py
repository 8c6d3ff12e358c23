"""What the packager is told of each track: names of outputs, languages, roles."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from taskengine.media.languages import checked_language, normal_language
from taskengine.media.master import audio_group
from taskengine.media.tracks import Track

LETTERS: Final = {"video": "v", "audio": "a", "text": "t"}
DIGITS: Final = 6  # of the numbers in names of segments that assets share
SERVICE: Final = re.compile(r"CC[1-4]|SERVICE[1-9]\d?")


def slug(content_id: str) -> str:
    """The content id as names of media begin: safe in playlists, URLs and descriptors."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", content_id)


def output_name(stem: str, tracks: Sequence[Track], index: int) -> str:
    """The name of a track's file; tracks are numbered within their type, from 1."""
    kind = tracks[index].type
    number = sum(track.type == kind for track in tracks[: index + 1])
    return f"{stem}_{LETTERS[kind]}{number}.{'vtt' if kind == 'text' else 'mp4'}"


def streams(
    tracks: Sequence[Track], stem: str, folder: str, *, trickplay: bool = False, dash: bool = True
) -> list[Mapping[str, str]]:
    """The packager's fields for each track."""
    found: list[Mapping[str, str]] = []
    for index, track in enumerate(tracks):
        name = output_name(stem, tracks, index)
        fields = _common(track, f"{folder}/{name}") | _of_type(track, index, name, trickplay)
        found.append(fields)
        last_video = track.type == "video" and all(t.type != "video" for t in tracks[index + 1 :])
        if trickplay and dash and last_video:
            found.append(_trick(track, f"{folder}/{name}"))
    return found


def playlist_name(file: str) -> str:
    """Of a track whose file is called so."""
    return f"{file.rpartition('.')[0]}.m3u8"


def segment_name(file: str, number: int) -> str:
    """Of a segment of a track whose own file, called so, only initializes it."""
    return f"{file.rpartition('.')[0]}_{number:0{DIGITS}}.m4s"


def closed_captions(tracks: Sequence[Track]) -> str:
    """The captions inside the pictures, in the packager's grammar; what is no service is left
    out."""
    services = [one.partition("=") for track in tracks for one in track.captions.split(";")]
    known = {channel: language for channel, _, language in services if SERVICE.fullmatch(channel)}
    return ";".join(
        f"channel={channel},name={channel}{_language_of(language)},autoselect=yes"
        for channel, language in sorted(known.items())
    )


def _language_of(language: str) -> str:
    known = normal_language(language)
    return "" if known == "und" else f",lang={known}"


def _common(track: Track, output: str) -> dict[str, str]:
    return {
        "in": track.file,
        "stream": "text" if track.type == "text" else str(track.stream),
        "output": output,
        "playlist_name": playlist_name(output.rpartition("/")[2]),
    }


def _of_type(track: Track, index: int, name: str, trickplay: bool) -> dict[str, str]:
    """What viewers read is put in afterwards (mpd.py, master.py): numbers stand for it."""
    if track.type == "video":
        stem = name.rpartition(".")[0]
        return {"iframe_playlist_name": f"{stem}_iframe.m3u8"} if trickplay else {}
    return {
        "lang": checked_language(track.language),
        "hls_group_id": "subs" if track.type == "text" else audio_group(track),
        "hls_name": str(index),
        "dash_label": str(index),  # keeps tracks apart
    }


def _trick(track: Track, output: str) -> dict[str, str]:
    """Keyframes alone; without dash_only players of HLS would take it for a rendition."""
    name = f"{output.rpartition('.')[0]}_trick.mp4"
    return {"in": track.file, "stream": str(track.stream), "output": name,
            "trick_play_factor": "1", "dash_only": "1"}  # fmt: skip
