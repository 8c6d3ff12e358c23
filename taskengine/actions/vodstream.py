"""From a folder of source files to the tracks of an asset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from taskengine.actions.context import Context
from taskengine.actions.inspection import Inspector
from taskengine.actions.quality import check_measures
from taskengine.actions.registry import action
from taskengine.actions.sources import is_hidden, listed, unknown
from taskengine.media.extensions import CAPTIONS, ENCODABLE, suffix, taken
from taskengine.media.properties import apply_track_properties
from taskengine.media.sets import plan_sets
from taskengine.media.tracks import Track, arrange, longest
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import FileNotStored

EXTERNAL: Final = "is for an external encoder, and none is configured"
OF_NO_USE: Final = {  # what is said of parameters that change nothing in this job
    "encoding_profile": "nothing is encoded without encode_source",
    "encoding_segment": "nothing is encoded without encode_source",
    "quality": "nothing is encoded without encode_source, so that nothing is measured",
    "extract_audio": "is of use with encode_source alone: sound is taken as it is",
    "encoding_mode": EXTERNAL,
    "encoding_region": EXTERNAL,
    "encoder_version": EXTERNAL,
    "cpix": "nothing is encrypted in this job, so that no key is taken",
    "encrypt_ismv": "nothing is encrypted with playready_key without it",
    "mezzanine": "no MP4 is made without generate_mp4",
}


@action("vodstream.get_filenames")
async def get_filenames(
    context: Context,
    *,
    source: dict[str, str],
    content_id: str,
    measures: list[str] | None = None,
) -> JsonObject:
    """List the sources in the folder; an empty or absent one fails the job at once, and so does a
    measure of quality that cannot be taken."""
    folder = await context.open_folder(**source)
    try:
        found = await listed(context, folder, content_id)
    except FileNotStored as missing:
        raise PermanentFailure(str(missing)) from missing
    await found.tell(context)
    if not found.sources and not found.left_out:
        raise PermanentFailure(f"{folder.complete} is empty")
    await check_measures(context, measures or [])
    others = [*found.left_out]
    hidden = [name for name in others if is_hidden(name)]
    return {
        "folder": folder.complete,
        "files": found.sources,
        "documents": found.documents,
        "others": others,
        "hidden": hidden,
    }


@action("vodstream.inspect_source")
async def inspect_source(
    context: Context,
    *,
    source: dict[str, str],
    files: list[str],
    drm: list[str],
    enable_drm: bool = True,
    all_audio_tracks: bool = True,
    encoding_profile: str | None = None,
    encoding_segment: float = math.inf,
    extract_audio: bool = True,
    file_properties: JsonObject | None = None,
    track_properties: list[JsonObject | None] | None = None,
    options: JsonObject | None = None,
    others: list[str] | None = None,
    retries: int = 0,
) -> JsonObject:
    """Fetch and probe the source, prepare what cannot be packaged as it is, plan the sets."""
    properties = file_properties or {}
    await _tell(context, options or {}, unknown(properties, files))
    check_files(files, others or [], encode_source=encoding_profile is not None)
    encoding = encoding_profile or "", extract_audio, encoding_segment
    inspector = Inspector(context, await context.open_folder(**source), retries, *encoding)
    tracks = await inspector.tracks(files, properties)
    tracks = arrange(await inspector.aligned(tracks), every_audio=all_audio_tracks)
    tracks = apply_track_properties(tracks, *(track_properties or []))
    _check_pictures(tracks, inspector.folder.complete)
    pictures = await inspector.pictured(tracks)
    tracks = await inspector.with_companions(tracks)
    await _describe(context, tracks)
    placed = await inspector.placed(tracks)
    plan = plan_sets(drm, enable_drm=enable_drm)
    return {
        "duration": round(longest(tracks), 3),
        "tracks": [track.to_json() for track in placed],
        "pictures": [track.to_json() for track in _where_placed(pictures, placed)],
        "clear": plan.clear,
        "drm": list(plan.drm),
        "active": plan.active,
    }


@action("vodstream.delete_source")
async def delete_source(
    context: Context, *, source: dict[str, str], files: list[str], delivered: list[str]
) -> JsonObject:
    """Delete the source files, but for those that the job itself has put in their place."""
    folder = await context.open_folder(**source)
    deleted = [name for name in files if folder.name_of(name) not in delivered]
    for name in deleted:
        try:
            await folder.delete(name)
        except FileNotStored:
            await context.debug(f"{name} is gone already")
    return {"files": [folder.name_of(name) for name in deleted]}


def _where_placed(tracks: Sequence[Track], placed: Sequence[Track]) -> list[Track]:
    """Tracks as they are where other tasks find them; those that nothing was made of stay."""
    found = {(track.file, track.stream): track for track in placed}
    return [found.get((track.file, track.stream), track) for track in tracks]


async def _tell(context: Context, options: JsonObject, unknown_files: Sequence[str]) -> None:
    """What changes nothing in this job: parameters that were given, properties of no file."""
    for name in (name for name, is_given in options.items() if is_given):
        await context.warn(f"{name}: {OF_NO_USE[name]}")
    for name in unknown_files:
        await context.warn(f"file_properties: there is no file {name!r} in the source folder")


async def _describe(context: Context, tracks: Sequence[Track]) -> None:
    for track in tracks:
        await context.info(_described(track))


def check_files(files: Sequence[str], others: Sequence[str], *, encode_source: bool) -> None:
    """Raises PermanentFailure if there is nothing to package, or to encode, among them."""
    encodable = [name for name in files if suffix(name) in ENCODABLE]
    if encode_source and len(encodable) != 1:
        raise PermanentFailure(f"encode_source: expected one video file, found {len(encodable)}")
    if all(suffix(name) in CAPTIONS for name in files):
        there = ", ".join([*files, *others])
        raise PermanentFailure(f"no media file among: {there}; those taken are {taken()}")


def _check_pictures(tracks: Sequence[Track], folder: str) -> None:
    if all(track.type != "video" for track in tracks):
        raise PermanentFailure(f"{folder}: no file holds a video track")


def _described(track: Track) -> str:
    match track.type:
        case "video":
            shape = f"{track.width}x{track.height}, {track.frame_rate:g} frames/s"
        case "audio":
            shape = f"{track.language}, {track.channels} channels"
        case _:
            shape = track.language
    rate = f", {track.bitrate // 1000} kbit/s" if track.bitrate else ""
    origin = f"from {track.source}" + (", made anew" if track.folder else "")
    return f"Track {track.name}: {track.codec}, {shape}{rate}, {origin}"
