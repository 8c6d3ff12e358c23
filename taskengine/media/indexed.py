"""Packaging tracks whose files are laid out already: media stay as they are, manifests are written.

The packager is given the beginning of each track, and what it says of that (codecs, sizes, groups)
holds for all of it; ranges, durations and rates come from the track's own index.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Final

import trio
from defusedxml.ElementTree import fromstring

from taskengine.media.boxes import HANDLERS, inner, read_moov
from taskengine.media.copying import append
from taskengine.media.index import Index, read_index
from taskengine.media.languages import packed_language
from taskengine.media.movie import language_bits
from taskengine.media.mpd import DASH, written
from taskengine.media.packager import Manifests, package
from taskengine.media.rates import Rate, with_rates
from taskengine.media.streams import output_name, playlist_name, streams
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track

LISTED: Final = ("#EXT-X-MAP:", "#EXTINF:", "#EXT-X-BYTERANGE:", "#EXT-X-ENDLIST")
TARGET: Final = re.compile(r"(?m)^#EXT-X-TARGETDURATION:.*$")


@dataclass(frozen=True, slots=True)
class _Whole:
    """A track as it will be delivered: under which name, and where it lies now."""

    name: str
    path: Path
    index: Index


async def package_indexed(
    bench: Bench, tracks: Sequence[Track], stem: str, folder: str, manifests: Manifests
) -> Mapping[str, int]:
    """Manifests in a folder of the bench, with the media in the clear as further names of the
    tracks' files; the places of these tracks, by the names."""
    own = {
        output_name(stem, tracks, place): place
        for place, track in enumerate(tracks)
        if track.type in HANDLERS
    }
    wholes = [
        await trio.to_thread.run_sync(_whole, name, bench.folder / tracks[place].file)
        for name, place in own.items()
    ]
    samples = list(tracks)
    for place, one in zip(own.values(), wholes, strict=True):
        sample = bench.folder / f"{folder}-sample-{place}.mp4"
        await trio.to_thread.run_sync(_write_sample, one, sample)
        samples[place] = replace(tracks[place], file=sample.name)
    await package(bench, streams(samples, stem, folder), folder, manifests)
    await trio.to_thread.run_sync(_finish, bench.folder / folder, wholes, manifests)
    return own


def are_indexed(bench: Bench, tracks: Sequence[Track]) -> bool:
    """Whether the files of all tracks of pictures and sound can be delivered as they are, with the
    languages that the tracks have now. Blocking."""
    media = [track for track in tracks if track.type in HANDLERS]
    return bool(media) and all(
        track.indexed
        and (track.type == "video" or _language(bench.folder / track.file) == _packed(track))
        for track in media
    )


def measured(track: Track, path: Path, pictures: int) -> Track:
    """A track with what the index of its file says; of so many pictures, if it has any.
    Blocking."""
    index = read_index(path)
    rate = round(float(pictures / index.seconds), 3) if pictures else track.frame_rate
    bitrate, seconds = index.bitrate.average, float(index.seconds)
    return replace(track, duration=seconds, bitrate=bitrate, frame_rate=rate)


def _packed(track: Track) -> int:
    return language_bits(packed_language(track.language))


def _language(path: Path) -> int:
    data = read_moov(path)
    found = inner(data, "moov/trak/mdia/mdhd")
    assert found is not None
    place = found[0] + (32 if data[found[0]] else 20)
    return int.from_bytes(data[place : place + 2])


def _whole(name: str, path: Path) -> _Whole:
    return _Whole(name, path, read_index(path))


def _write_sample(one: _Whole, target: Path) -> None:
    """What initializes a track, and its first subsegment."""
    index = one.index
    with one.path.open("rb") as source, target.open("wb") as made:
        append(source, 0, index.place, made)
        append(source, index.place + index.size, index.rows[0][0], made)


def _finish(folder: Path, wholes: Sequence[_Whole], manifests: Manifests) -> None:
    for one in wholes:
        (folder / one.name).unlink()
        _name(one.path, folder / one.name)
        playlist = folder / playlist_name(one.name)
        if playlist.exists():
            playlist.write_text(listed(playlist.read_text("utf-8"), one.name, one.index), "utf-8")
    rates = {one.name: one.index.bitrate for one in wholes}
    if manifests.hls:
        master = folder / manifests.hls
        by_playlist = {playlist_name(name): rate for name, rate in rates.items()}
        master.write_text(with_rates(master.read_text("utf-8"), by_playlist), "utf-8")
    if manifests.dash:
        mpd = folder / manifests.dash
        mpd.write_text(ranged(mpd.read_text("utf-8"), wholes, rates), "utf-8")


def _name(path: Path, name: Path) -> None:
    with suppress(OSError):  # some file systems have no second names
        os.link(path, name)
        return
    name.symlink_to(path)


def listed(said: str, file: str, index: Index) -> str:
    """The playlist of a whole track; `said` is the packager's for its beginning."""
    head = [line for line in said.splitlines() if line != file and not line.startswith(LISTED)]
    seconds = [ticks / index.scale for _, ticks in index.rows]
    starts = accumulate((size for size, _ in index.rows), initial=index.place + index.size)
    lines = [f'#EXT-X-MAP:URI="{file}",BYTERANGE="{index.place}@0"']
    for (size, _), length, start in zip(index.rows, seconds, starts, strict=False):
        lines += [f"#EXTINF:{length:.6f},", f"#EXT-X-BYTERANGE:{size}@{start}", file]
    text = "\n".join([*head, *lines, "#EXT-X-ENDLIST"]) + "\n"
    return TARGET.sub(f"#EXT-X-TARGETDURATION:{math.ceil(max(seconds))}", text)


def ranged(said: str, wholes: Sequence[_Whole], rates: Mapping[str, Rate]) -> str:
    """The MPD of whole tracks; `said` is the packager's for their beginnings."""
    root = fromstring(said.encode())
    indexes = {one.name: one.index for one in wholes}
    for representation in root.iter(f"{{{DASH}}}Representation"):
        file = representation.findtext(f"{{{DASH}}}BaseURL", "")
        base = representation.find(f"{{{DASH}}}SegmentBase")
        if file in indexes and base is not None:
            index = indexes[file]
            representation.set("bandwidth", str(rates[file].peak))
            base.set("indexRange", f"{index.place}-{index.place + index.size - 1}")
            for start in base.iter(f"{{{DASH}}}Initialization"):
                start.set("range", f"0-{index.place - 1}")
    length = max((float(one.index.seconds) for one in wholes), default=0.0)
    root.set("mediaPresentationDuration", f"PT{length:.6f}S")
    return written(root)
