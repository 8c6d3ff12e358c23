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

import trio

from taskengine.media.building import Guid, MadeSet, SetMaker, SetName
from taskengine.media.ism import read_ism
from taskengine.media.keys import AssetKeys, KeyStore, asset_name, keys_for
from taskengine.media.markers import Marker
from taskengine.media.marking import read_markers
from taskengine.media.naming import Tag, parse_name
from taskengine.media.probe import probe
from taskengine.media.tiles import TileOptions
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.model import PermanentFailure
from taskengine.storage import FileNotStored, Folder

__all__ = ["MadeSet", "SetName", "SetPlan", "build_set", "make_missing_set", "plan_sets"]


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
    thumbnails: TileOptions | None = None,
) -> MadeSet:
    """Make a set from tracks whose files lie in the bench's folder; markers are those of
    advertising in it.

    A set with the tag `drm` needs `keys`; `unlock` decrypts tracks that are encrypted with them.
    `dref` adds a dref MP4 to a clear set, `thumbnails` a track of them to either.
    """
    folder = f"made-{name.tag}"
    maker = SetMaker(
        bench, tracks, name, guid, folder, keys, unlock, trickplay, markers, thumbnails
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
    markers = await _markers(bench, folder, name.content_id, manifest)
    wanted = await keys_for(keys, asset) if name.tag == "drm" else None
    unlock = found if tag == "drm" else None
    return await build_set(
        bench, tracks, name, guid=guid, drm=drm, keys=wanted, unlock=unlock, markers=markers
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
        local = f"source-{index}.{'vtt' if track.type == 'text' else 'mp4'}"
        await folder.fetch(track.file, bench.folder / local)
        tracks.append(replace(track, file=local, duration=await _duration(bench, local)))
    return tracks


async def _markers(bench: Bench, folder: Folder, content_id: str, manifest: str) -> list[Marker]:
    """Those that stand in the MPD beside a server manifest."""
    said = parse_name(content_id, manifest)
    assert said is not None
    beside = SetName(content_id, said.tag, said.guid, said.epoch).of("mpd")
    try:
        await folder.fetch(beside, bench.folder / "source.mpd")
    except FileNotStored:
        return []
    return read_markers(await trio.Path(bench.folder / "source.mpd").read_text("utf-8"))


async def _duration(bench: Bench, local: str) -> float:
    return 0.0 if local.endswith(".vtt") else (await probe(bench, bench.folder / local)).duration
