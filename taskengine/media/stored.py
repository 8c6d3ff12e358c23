"""What files of a stored asset are, and how those that are encrypted are opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from taskengine.media.keys import AssetKeys
from taskengine.media.packager import Manifests, package
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track, TrackType


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
