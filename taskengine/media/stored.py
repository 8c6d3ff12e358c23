"""What files of a stored asset are, and how those that are encrypted are opened."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from taskengine.media.ffmpeg import SAFE_INPUT
from taskengine.media.keys import AssetKeys
from taskengine.media.packager import Manifests, package
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track, TrackType
from taskengine.model import JsonObject

ENCRYPTED: Final = frozenset({"encv", "enca"})  # ISO/IEC 14496-12, 8.12


async def is_encrypted(bench: Bench, path: Path) -> bool:
    said = await _asked(bench, path, "stream=codec_tag_string")
    return any(one.get("codec_tag_string") in ENCRYPTED for one in said.get("streams", []))


def placed(named: Sequence[Track]) -> list[Track]:
    """The tracks that a manifest names; `stream` is the place of each among those of its kind in
    its file."""
    seen: Counter[tuple[str, TrackType]] = Counter()
    found = []
    for track in named:
        key = track.file, track.type
        found.append(replace(track, stream=seen[key]))
        seen[key] += 1
    return found


def paired(tracks: Sequence[Track], named: Track) -> Track | None:
    """The track of a file that one stands for which a manifest names so."""
    own = [track for track in tracks if track.type == named.type]
    return own[named.stream] if named.stream < len(own) else None


async def unlocked(bench: Bench, tracks: Sequence[Track], keys: AssetKeys) -> list[Track]:
    """The tracks in the clear, each in a file of its own."""
    folder = "unlocked"
    made = [
        track if track.type == "text" else replace(track, file=f"{folder}/{place}.mp4", stream=0)
        for place, track in enumerate(tracks)
    ]
    streams = [
        {"in": given.file, "stream": str(given.stream), "output": track.file}
        for given, track in zip(tracks, made, strict=True)
        if track.type != "text"
    ]
    await package(bench, streams, folder, Manifests(), unlock=keys)
    return made


async def _asked(bench: Bench, path: Path, shown: str) -> JsonObject:
    command = [bench.tools.ffprobe, "-v", "error", *SAFE_INPUT, "-show_entries", shown]
    found: JsonObject = json.loads(await bench.run([*command, "-of", "json", "-i", f"file:{path}"]))
    return found
