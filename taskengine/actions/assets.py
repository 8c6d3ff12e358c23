"""Work on stored assets: an MP4 of one, and all that it takes to package one anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from taskengine.actions.context import Context
from taskengine.actions.deleting import delete
from taskengine.actions.materials import bench_of, stage
from taskengine.actions.package import plain_name
from taskengine.actions.registry import action
from taskengine.actions.stored import StoredAsset
from taskengine.media.clear_key import CLEAR_KEY
from taskengine.media.cpix import SYSTEMS
from taskengine.media.markers import Marker
from taskengine.media.marking import read_markers
from taskengine.media.mp4 import choose, make_mp4
from taskengine.media.naming import parse_name
from taskengine.media.ownership import is_media_of
from taskengine.media.set_files import SetName
from taskengine.media.tracks import Track, arrange, longest
from taskengine.model import JsonObject, PermanentFailure
from taskengine.remix.master import media_playlists
from taskengine.storage import Folder

TAKEN: Final = (".ism", ".m3u8", ".mpd")  # no MP4 may be called so
FORMATS: Final = {"fairplay": "com.apple.streamingkeydelivery", "cenc": CLEAR_KEY}  # of HLS
SCHEME: Final = 'value="cenc"'  # of an MPD
CODECS: Final = ("h264", "hevc")
KEPT: Final = 1.0  # seconds from which on a first time is one that was kept of a source (A71)
BEGAN: Final = re.compile(r"#EXT-X-PROGRAM-DATE-TIME:(?!1970)(\S+)")


@action("asset.mp4")
async def create_mp4(
    context: Context,
    *,
    content_id: str,
    source: dict[str, str],
    target: dict[str, str],
    mp4_filename: str,
    mezzanine: bool = False,
    retries: int = 0,
) -> JsonObject:
    """Make an MP4 of the best tracks of a stored asset, or of all (`mezzanine`)."""
    name = plain_name(mp4_filename)
    folder = await context.open_folder(**source)
    place = await context.open_folder(**target)
    asset = await StoredAsset.open(context, folder, content_id, retries)
    tracks = await asset.tracks(lambda found: choose(arrange(found), mezzanine=mezzanine))
    if name.endswith(TAKEN) or (_is_same(place, folder) and name in asset.used):
        raise PermanentFailure(f"mp4_filename: {name} is part of the asset")
    made = context.scratch / "made.mp4"
    zero = min(track.zero for track in tracks if track.type == tracks[0].type)
    await make_mp4(
        bench_of(context),
        tracks,
        made,
        mezzanine=mezzanine,
        zero=zero if asset.is_on_one_clock else None,
        on_progress=context.progress,
    )
    await context.info(f"{name} of {', '.join(track.name or track.file for track in tracks)}")
    return await stage(context, [made.rename(context.scratch / name)])


@action("asset.inspect")
async def inspect_asset(
    context: Context, *, content_id: str, source: dict[str, str], retries: int = 0
) -> JsonObject:
    """What a stored asset is made of, in the clear, and what sets of manifests it has; `media` are
    the files that go when it is packaged anew."""
    folder = await context.open_folder(**source)
    asset = await StoredAsset.open(context, folder, content_id, retries)
    tracks = await asset.tracks(arrange)
    _check(tracks)
    tracks = await _timed(asset, tracks)
    drm = await _systems(asset)
    sets = [said for said, _ in asset.manifests]
    active = {said.tag for said in sets if said.active and said.extension == "ism"}
    return {
        "duration": round(longest(tracks), 3),
        "tracks": [track.to_json() for track in await asset.placed(tracks)],
        "clear": not sets or any(said.tag == "nodrm" for said in sets),
        "drm": drm,
        "active": "drm" if active == {"drm"} else "nodrm",
        "dref": any(name.endswith("_dref.mp4") for name in asset.top),
        "markers": [one.to_json() for one in await _markers(asset)],
        "media": [name for name in asset.top if asset.said and _is_of_sets(content_id, name)],
    }


@action("asset.remove_replaced")
async def remove_replaced(
    context: Context,
    *,
    content_id: str,
    source: dict[str, str],
    target: dict[str, str],
    media: list[str],
    published: list[str],
) -> JsonObject:
    """Remove the sets of an asset that those published have taken the place of, with their media;
    nothing where they lie in another folder."""
    folder = await context.open_folder(**source)
    if not _is_same(folder, await context.open_folder(**target)):
        return {"files": []}
    names = [file.name for file in await folder.list() if "/" not in file.name]
    sets = [name for name in names if parse_name(content_id, name)]
    gone = [name for name in [*sets, *(name for name in names if name in media)]
            if folder.name_of(name) not in published]  # fmt: skip
    await delete(context, folder, gone)
    await context.info(f"Removed {len(gone)} files that others have taken the place of")
    return {"files": [folder.name_of(name) for name in gone]}


def _is_of_sets(content_id: str, name: str) -> bool:
    """Whether a file belongs to sets of manifests, which the one file of all tracks does not."""
    return is_media_of(content_id, name) and not name.endswith(".ismv")


def _check(tracks: Sequence[Track]) -> None:
    videos = [track for track in tracks if track.type == "video"]
    if not videos:
        raise PermanentFailure("there is no video in the asset")
    if (other := next((one for one in videos if one.codec not in CODECS), None)) is not None:
        raise PermanentFailure(
            f"expected H.264 or H.265, {other.name or other.file} is {other.codec}"
        )


async def _timed(asset: StoredAsset, tracks: Sequence[Track]) -> list[Track]:
    """With the times that the whole begins with, where they are those of a source."""
    zero = next(track.zero for track in tracks if track.type == "video")
    if zero < KEPT:
        return [replace(track, zero=0.0) for track in tracks]
    playlists = [name for name in asset.top if name.endswith("_v1.m3u8")]
    found = BEGAN.search(await asset.text(playlists[0])) if playlists else None
    return [replace(track, zero=zero, began=found[1] if found else "") for track in tracks]


async def _systems(asset: StoredAsset) -> list[str]:
    """What its set with DRM is made for, as its manifests tell."""
    drm = [(said, name) for said, name in asset.manifests if said.tag == "drm"]
    found = {"aes"} if any(said.aes for said, _ in drm) else set()
    for name in (name for said, name in drm if said.extension != "ism"):
        text = (await _with_keys(asset, name)).lower()
        found |= {system for system, id_ in SYSTEMS.items() if id_ in text}
        found |= {value for value, mark in FORMATS.items() if f'keyformat="{mark}"' in text}
        if SCHEME in text and not any(id_ in text for id_ in SYSTEMS.values()):
            found |= {"aes", "cenc"} & found or {"cenc"}  # no vendor's
    return sorted(found)


async def _with_keys(asset: StoredAsset, name: str) -> str:
    """A manifest, and of HLS a media playlist too: keys stand there."""
    text = await asset.text(name)
    playlists, _ = media_playlists(text) if "#EXTM3U" in text else ([], False)
    there = [one for one in playlists if one in asset.top]
    return "\n".join([text, *[await asset.text(one) for one in there[:1]]])


async def _markers(asset: StoredAsset) -> list[Marker]:
    """Those that stand in the MPD of the set that was read."""
    said = asset.said
    if said is None:
        return []
    name = SetName(asset.content_id, said.tag, said.guid, said.epoch).of("mpd")
    return read_markers(await asset.text(name)) if name in asset.top else []


def _is_same(one: Folder, other: Folder) -> bool:
    return one.storage is other.storage and one.complete == other.complete
