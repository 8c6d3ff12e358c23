"""Packaging tracks: sets of manifests, and the MP4 on demand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import trio

from taskengine.actions.context import Context
from taskengine.actions.materials import bench_of, gather, stage
from taskengine.actions.pace import Pace, by_bytes
from taskengine.actions.registry import action
from taskengine.media.keys import AssetKeys, asset_name, keys_for, raw_key
from taskengine.media.markers import Marker
from taskengine.media.mp4 import make_mp4
from taskengine.media.naming import Tag
from taskengine.media.sets import MadeSet, SetName, build_ismv, build_set, copies
from taskengine.media.streams import slug
from taskengine.media.tiles import TileOptions, Tiles
from taskengine.media.tracks import Track, longest
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import Folder, StorageRefused


@action("package.set")
async def package_set(
    context: Context,
    *,
    content_id: str,
    tag: Tag,
    active: Tag,
    tracks: list[JsonObject],
    source: dict[str, str],
    target: dict[str, str],
    drm: list[str] | None = None,
    trickplay: bool = False,
    markers: list[JsonObject] | None = None,
    dref: bool = False,
    thumbnails: JsonObject | None = None,
    images: list[JsonObject] | None = None,
    active_name: str | None = None,
    retries: int = 0,
) -> JsonObject:
    """Package tracks with one kind of manifests; places are {storage, root, folder}. `dref` adds a
    dref MP4 to clear ones, `thumbnails` {size, interval, quality} a track, `images` are others that
    there are. `active_name` is how the client calls active manifests, with or without .ism."""
    opened = await context.open_folder(**source)
    gathered = await gather(context, tracks, opened, retries)
    await context.progress(0.2)
    build = partial(
        build_set,
        bench_of(context),
        gathered,
        _set_name(context, content_id, tag, active, active_name or ""),
        guid=context.guid,
        drm=drm or [],
        keys=await _keys(context, content_id, target) if tag == "drm" else None,
        trickplay=trickplay,
        markers=[Marker.of_json(one) for one in markers or []],
        dref=dref,
        **await _thumbnails(context, thumbnails, images or []),
    )
    made = await _followed(context, tag, gathered, copies(tag, drm or []), build)
    staged = await _staged(context, made, tracks, opened)
    return {**staged, "manifest": made.manifests[-1], "tag": tag, "active": tag == active}


@action("package.mp4")
async def create_mp4(
    context: Context,
    *,
    mp4_filename: str,
    tracks: list[JsonObject],
    source: dict[str, str],
    mezzanine: bool = False,
    captions: bool = False,
    retries: int = 0,
) -> JsonObject:
    """Make an MP4 of the best tracks, or of all (`mezzanine`); `captions` adds those."""
    target = context.scratch / "out.mp4"
    gathered = await gather(context, tracks, await context.open_folder(**source), retries)
    await make_mp4(
        bench_of(context),
        gathered,
        target,
        mezzanine=mezzanine,
        captions=captions,
        on_progress=Pace(context, mp4_filename, longest(gathered)),
    )
    return await stage(context, [target.rename(context.scratch / plain_name(mp4_filename))])


@action("package.ismv")
async def combine_sources(
    context: Context,
    *,
    content_id: str,
    tracks: list[JsonObject],
    source: dict[str, str],
    target: dict[str, str],
    encrypted: bool = False,
    key: str | None = None,
    retries: int = 0,
) -> JsonObject:
    """Make one fragmented MP4 of all pictures and sound, `<content_id>_<GUID>.ismv`; `encrypted`
    with a key, else with the asset's own one."""
    gathered = await gather(context, tracks, await context.open_folder(**source), retries)
    await context.progress(0.2)
    keys = await _keys(context, content_id, target) if encrypted else None
    if keys is not None and key is not None:
        keys = replace(keys, key=raw_key(key))
    name = f"{slug(content_id)}_{context.guid('combined')}.ismv"
    made = await build_ismv(bench_of(context), gathered, name, keys)
    await context.progress(0.8)
    return await stage(context, [made])


async def _thumbnails(
    context: Context, options: JsonObject | None, images: Sequence[JsonObject]
) -> dict[str, Any]:
    """What `build_set` takes: how to make a track of them, and those that there are."""
    return {
        "thumbnails": TileOptions(**options) if options else None,
        "images": [await _images(context, one) for one in images],
    }


async def _images(context: Context, said: JsonObject) -> Tiles:
    """A track of thumbnails, its files in the scratch folder."""
    tiles = Tiles(**{name: value for name, value in said.items() if name != "folder"})
    folder = context.workspace.below(said["folder"])
    for file in tiles.files:
        await folder.fetch(file, context.scratch / file)
    return tiles


def plain_name(name: str) -> str:
    """A file name that leads into no other folder. Raises PermanentFailure."""
    if not name or name in (".", "..") or PurePosixPath(name).name != name or "\0" in name:
        raise PermanentFailure(f"expected a file name without a folder: {name!r}")
    return name


def _set_name(context: Context, content_id: str, tag: Tag, active: Tag, custom: str) -> SetName:
    """Active, also by a name of the client's, or parked as of the task's first attempt."""
    epoch = None if tag == active else context.epoch
    named = plain_name(custom).removesuffix(".ism") if custom else ""
    return SetName(content_id, tag, context.guid(f"manifest-{tag}"), epoch, named)


async def _staged(
    context: Context, made: MadeSet, tracks: Sequence[JsonObject], source: Folder
) -> JsonObject:
    """The files of a set; media that are files of tracks get a further name where they lie, if the
    storage has such."""
    for name, place in made.kept.items():
        track = Track(**tracks[place])
        folder = context.workspace.below(track.folder) if track.folder else source
        try:
            await context.staging.share(folder, [(track.file, name)])
        except StorageRefused:
            await context.staging.hand_over(made.folder / name, name)
    others = [made.folder / file for file in made.files if file not in made.kept]
    return {**await stage(context, others), "files": list(made.files)}


async def _followed(
    context: Context,
    tag: Tag,
    tracks: Sequence[Track],
    copied: int,
    build: Callable[[], Awaitable[MadeSet]],
) -> MadeSet:
    """A set, with its progress while it is built; `copied`: so often all media is written."""
    pace = Pace(context, f"packaging {tag}", longest(tracks), done=0.2, share=0.6)
    folders = [context.scratch / f"made-{tag}{suffix}" for suffix in ("", "-plain")]
    expected = copied * await trio.to_thread.run_sync(_size, context.scratch, tracks)
    made = await by_bytes(pace, folders, expected, build)
    for note in made.notes:
        await context.warn(note)
    await context.progress(0.8)
    return made


def _size(folder: Path, tracks: Sequence[Track]) -> int:
    return sum((folder / file).stat().st_size for file in {track.file for track in tracks})


async def _keys(context: Context, content_id: str, target: dict[str, str]) -> AssetKeys:
    """Those of the asset, stored before anything is encrypted with them."""
    folder = await context.open_folder(**target)
    return await keys_for(context.keys, asset_name(folder, content_id))
