"""Pictures of an asset."""

from __future__ import annotations

import trio

from taskengine.actions.context import Context
from taskengine.actions.materials import bench_of, gather, stage
from taskengine.actions.package import plain_name
from taskengine.actions.registry import action
from taskengine.media.ffmpeg import is_shortage, reason
from taskengine.media.thumbnail import seconds, sprite, still
from taskengine.media.tracks import Track
from taskengine.model import JsonObject, PermanentFailure
from taskengine.runtime.process import ProcessFailed


@action("thumbnail.still")
async def create_thumbnail(
    context: Context,
    *,
    filename_prefix: str,
    tracks: list[JsonObject],
    source: dict[str, str],
    thumbnail_time: float | str = 0,
    retries: int = 0,
) -> JsonObject:
    """Make one still image of the best video, `<prefix>_thumbnail.jpg`."""
    position = seconds(thumbnail_time)
    best, _ = _videos(tracks)
    [track] = await gather(context, [best], await context.open_folder(**source), retries)
    if position >= track.duration:
        await context.warn(f"thumbnail_time {thumbnail_time} lies behind the end: last picture")
    target = context.scratch / plain_name(f"{filename_prefix}_thumbnail.jpg")
    try:
        await still(bench_of(context), track, position, target)
    except (ProcessFailed, PermanentFailure, ValueError) as failure:
        return await _without(context, "thumbnail", track, failure)
    return await stage(context, [target])


@action("thumbnail.preview")
async def preview_thumbnails(
    context: Context,
    *,
    filename_prefix: str,
    tracks: list[JsonObject],
    source: dict[str, str],
    interval: float = 10,
    retries: int = 0,
) -> JsonObject:
    """Make a sprite of previews and its WebVTT, `<prefix>_sprite.jpg` and `.vtt`."""
    if not interval > 0:
        raise PermanentFailure(f"preview_thumbnails_interval: expected more than 0: {interval}")
    _, lowest = _videos(tracks)
    [track] = await gather(context, [lowest], await context.open_folder(**source), retries)
    image = context.scratch / plain_name(f"{filename_prefix}_sprite.jpg")
    bench = bench_of(context)
    try:
        text = await sprite(bench, track, interval, image, on_progress=context.progress)
    except ProcessFailed as failure:
        return await _without(context, "previews", track, failure)
    map_file = image.with_suffix(".vtt")
    await trio.Path(map_file).write_text(text)
    return await stage(context, [image, map_file])


async def _without(context: Context, what: str, track: Track, failure: Exception) -> JsonObject:
    """A picture that cannot be made does not undo a film; a machine in need is no such case."""
    if isinstance(failure, ProcessFailed):
        if is_shortage(failure):
            raise failure
        why = reason(failure, context.scratch / track.file, track.source or "the video")
    else:
        why = str(failure)
    await context.warn(f"{what} of {track.source or 'the video'} cannot be made: {why}")
    return {"staged": "", "files": []}


def _videos(tracks: list[JsonObject]) -> tuple[JsonObject, JsonObject]:
    """The best and the lowest rendition, of tracks with the best first."""
    videos = [track for track in tracks if track.get("type") == "video"]
    if not videos:
        raise PermanentFailure("there is no video to take a picture of")
    return videos[0], videos[-1]
