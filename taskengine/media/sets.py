"""Sets of manifests: what a packaged asset is delivered by.

    plan = plan_sets(drm, enable_drm)         which sets an asset gets, and which is active
    made = await build_set(bench, tracks, name, guid=context.guid, drm=…, keys=…)
    made = await make_missing_set(bench, folder, name, guid=context.guid, drm=…, keys=store)

A set is `<stem>.ism`, `<stem>.m3u8` and `<stem>.mpd`, and with `aes` in the list three more with
`_aes`: AES-128 HLS beside the same server manifest and MPD, since DASH has no such encryption.
`made.folder` is below `bench.folder` and holds `made.media` (media files and their playlists) and
`made.manifests`, the main server manifest last: store them in this order, under the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import trio

from taskengine.media.building import CENC, Guid, SetMaker
from taskengine.media.index import indexed_duration
from taskengine.media.ism import read_ism
from taskengine.media.ismv import combine
from taskengine.media.keys import AssetKeys, KeyStore, asset_name, keys_for
from taskengine.media.markers import Marker
from taskengine.media.marking import read_markers
from taskengine.media.naming import Tag, parse_name
from taskengine.media.packager import Manifests, Protection, package
from taskengine.media.probe import probe
from taskengine.media.set_files import MadeSet, SetName
from taskengine.media.streams import output_name, segment_name, streams
from taskengine.media.tiles import TileEntries, TileOptions, Tiles, read_shown
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.model import PermanentFailure
from taskengine.storage import FileNotStored, Folder

IFRAMES: Final = "#EXT-X-I-FRAME-STREAM-INF"  # of a set with tracks of keyframes

__all__ = [
    "MadeSet",
    "SetName",
    "SetPlan",
    "build_ismv",
    "build_set",
    "make_missing_set",
    "plan_sets",
]


@dataclass(frozen=True, slots=True)
class SetPlan:
    """Which sets an asset gets. `drm` is what the set with DRM is made for; empty: none."""

    clear: bool
    drm: tuple[str, ...]
    active: Tag


def plan_sets(drm: Sequence[str], *, enable_drm: bool) -> SetPlan:
    """Decisions A31 and A32: an asset always has an active set."""
    protected = tuple(dict.fromkeys(value for value in drm if value != "clear"))
    active: Tag = "drm" if protected and enable_drm else "nodrm"
    return SetPlan(clear="clear" in drm or active == "nodrm", drm=protected, active=active)


def copies(tag: Tag, drm: Sequence[str]) -> int:
    """How often all media is written for a set."""
    if tag == "nodrm":
        return 1
    both = "fairplay" in drm and not CENC.isdisjoint(drm)
    return 1 + both + 2 * ("aes" in drm)


async def build_set(
    bench: Bench,
    tracks: Sequence[Track],
    name: SetName,
    *,
    guid: Guid,
    drm: Sequence[str] = (),
    keys: AssetKeys | None = None,
    unlock: AssetKeys | None = None,
    trickplay: bool = False,
    markers: Sequence[Marker] = (),
    dref: bool = False,
    thumbnails: TileOptions | TileEntries | None = None,
    images: Sequence[Tiles] = (),
) -> MadeSet:
    """Make a set from tracks whose files lie in the bench's folder; markers are those of
    advertising in it.

    A set with the tag `drm` needs `keys`; `unlock` decrypts tracks that are encrypted with them.
    `dref` adds a dref MP4 to a clear set, `thumbnails` a track of them to either, `images` those
    that there are already, whose files lie in the bench's folder.
    """
    folder = f"made-{name.tag}"
    maker = SetMaker(
        bench, tracks, name, guid, folder, keys, unlock, trickplay, markers, thumbnails, images
    )
    if name.tag == "nodrm":
        await maker.package("clear", hls=True, dash=True)
        await maker.show_tiles()
        if dref:
            await maker.refer("clear")
        await maker.finish("clear")
    else:
        await maker.protect(drm)
    return await trio.to_thread.run_sync(maker.made)


async def build_ismv(
    bench: Bench, tracks: Sequence[Track], name: str, keys: AssetKeys | None = None
) -> Path:
    """One fragmented MP4 of the pictures and sound of tracks whose files lie in the bench's folder,
    encrypted where there are `keys`. Captions stay in files of their own."""
    held = [track for track in tracks if track.type != "text"]
    protection = Protection("cenc", ("PlayReady", "CommonSystem"), keys) if keys else None
    folder = "made-ismv"
    files = [bench.folder / folder / output_name("part", held, n) for n in range(len(held))]
    await package(bench, streams(held, "part", folder), folder, Manifests(), protection=protection)
    await trio.to_thread.run_sync(combine, files, bench.folder / folder / name)
    return bench.folder / folder / name


async def make_missing_set(
    bench: Bench,
    folder: Folder,
    name: SetName,
    *,
    guid: Guid,
    drm: Sequence[str] = (),
    keys: KeyStore,
) -> MadeSet:
    """Make the set of kind `name.tag` from the one of the other kind, active or parked.

    `folder` is the asset's; `drm` says what a set with DRM is made for. The keys of the asset
    are those in the store; they are made if there are none and the source is clear.
    """
    manifest, tag = await _other_server_manifest(folder, name)
    asset = asset_name(folder, name.content_id)
    found = await keys.load(asset)
    if tag == "drm" and found is None:
        raise PermanentFailure(f"{manifest}: the keys of {folder.complete} are not stored")
    tracks = await _fetched(bench, folder, manifest)
    mpd, master = await _beside(bench, folder, name.content_id, manifest)
    wanted = await keys_for(keys, asset) if name.tag == "drm" else None
    unlock = found if tag == "drm" else None
    return await build_set(
        bench,
        tracks,
        name,
        guid=guid,
        drm=drm,
        keys=wanted,
        unlock=unlock,
        trickplay=IFRAMES in master,
        markers=read_markers(mpd) if mpd else [],
        thumbnails=read_shown(mpd, master),
    )


async def _other_server_manifest(folder: Folder, name: SetName) -> tuple[str, Tag]:
    files = [file.name for file in await folder.list()]
    parsed = [(parse_name(name.content_id, file), file) for file in files]
    ranked = sorted(
        (said.active, said.epoch or 0, file, said.tag)
        for said, file in parsed
        if said and said.extension == "ism" and not said.aes and said.tag != name.tag
    )
    if not ranked:
        raise PermanentFailure(f"{folder.complete}: no set of manifests to make another from")
    return ranked[-1][2], ranked[-1][3]


async def _fetched(bench: Bench, folder: Folder, manifest: str) -> list[Track]:
    await folder.fetch(manifest, bench.folder / "source.ism")
    text = await trio.Path(bench.folder / "source.ism").read_text()
    tracks = []
    for index, track in enumerate(read_ism(text)):
        if "/" in track.file:
            raise PermanentFailure(f"{manifest}: its media lies elsewhere: {track.file!r}")
        if await _is_in_segments(folder, track.file):
            raise PermanentFailure(
                f"{manifest}: its media lies in shared segments, vodnpvr has to make the set"
            )
        local = f"source-{index}.{'vtt' if track.type == 'text' else 'mp4'}"
        await folder.fetch(track.file, bench.folder / local)
        tracks.append(replace(track, file=local, duration=await _duration(bench, local)))
    return tracks


async def _is_in_segments(folder: Folder, file: str) -> bool:
    return segment_name(file, 1) in {one.name for one in await folder.list()}


async def _beside(bench: Bench, folder: Folder, content_id: str, manifest: str) -> tuple[str, str]:
    """The MPD and the master playlist beside a server manifest; empty where there is none."""
    said = parse_name(content_id, manifest)
    assert said is not None
    name = SetName(content_id, said.tag, said.guid, said.epoch)
    return await _text(bench, folder, name.of("mpd")), await _text(bench, folder, name.of("m3u8"))


async def _text(bench: Bench, folder: Folder, name: str) -> str:
    try:
        await folder.fetch(name, bench.folder / "beside.txt")
    except FileNotStored:
        return ""
    return await trio.Path(bench.folder / "beside.txt").read_text("utf-8")


async def _duration(bench: Bench, local: str) -> float:
    """Of media alone, wherever its times begin."""
    if local.endswith(".vtt"):
        return 0.0
    try:
        return await trio.to_thread.run_sync(indexed_duration, bench.folder / local)
    except ValueError:  # made elsewhere
        return (await probe(bench, bench.folder / local)).duration
