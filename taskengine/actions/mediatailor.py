"""Channels of AWS Elemental MediaTailor: VOD streams that loop as a live stream."""

from __future__ import annotations

from typing import Final, Literal

from taskengine.actions.context import Context
from taskengine.actions.registry import action
from taskengine.capture.model import Resource, SourceAway, SourceRefused
from taskengine.capture.sources.hls_master import is_master, read_master
from taskengine.capture.web import Web
from taskengine.mediatailor.channel import LoopingChannel, playback_url
from taskengine.mediatailor.lineup import channel_name, lineup_of
from taskengine.mediatailor.service import MediaTailor
from taskengine.model import JsonObject, PermanentFailure, TaskEngineError

LARGEST_PLAYLIST: Final = 4 << 20  # bytes
Profile = tuple[tuple[str, str, int, int], ...]  # type, codec, width and height of each track


class SourceUnread(TaskEngineError):
    """A source's playlist did not come; another try may bring it."""


@action("mediatailor.check_sources")
async def check_sources(context: Context, *, clips: list[JsonObject]) -> JsonObject:
    """See that all playlists of a loop are HLS and encoded alike, before any channel is touched."""
    lineup = lineup_of(context.attempt.job.id, context.attempt.job.client, clips)
    web, profiles = Web(context.http), dict[Profile, str]()
    for source in lineup.sources:
        url = source.origin + source.path
        profiles.setdefault(await _profile(web, url), url)
        if len(profiles) > 1:
            (first, one), (other, two) = profiles.items()
            raise PermanentFailure(
                f"all sources have to be encoded alike: {one} has {_told(first)}, "
                f"{two} has {_told(other)}"
            )
    await context.info(
        f"{len(lineup.sources)} sources, encoded alike: {_told(next(iter(profiles)))}"
    )
    return {"sources": len(lineup.sources)}


async def _profile(web: Web, url: str) -> Profile:
    try:
        answer = await web.get(Resource(url), LARGEST_PLAYLIST)
        text = answer.body.decode("utf-8", "replace")
        if not text.lstrip("\ufeff").startswith("#EXTM3U"):
            raise PermanentFailure(f"{url}: expected a playlist of HLS, no other format is taken")
        master = read_master(text, answer.url)
    except SourceRefused as error:
        raise PermanentFailure(f"{url}: {error}") from error
    except SourceAway as error:
        raise SourceUnread(f"{url}: {error}") from error
    if not is_master(text):
        return ()
    return tuple(sorted((t.type, t.codec, t.width, t.height) for t in master.tracks))


def _told(profile: Profile) -> str:
    """For people: `video avc1.64001f 1280x720, audio mp4a.40.2`."""
    tracks = [
        " ".join(filter(None, (kind, codec, f"{width}x{height}" if height else "")))
        for kind, codec, width, height in profile
    ]
    return ", ".join(tracks) or "one rendition"


@action("mediatailor.assemble_channel")
async def assemble_channel(
    context: Context,
    *,
    content_id: str,
    clips: list[JsonObject],
    restart_channel: bool = True,
    update_existing_vod_sources: bool = False,
    dvr_window_length: int = 60,
) -> JsonObject:
    """Create or update the client's channel of this content id, and have it run."""
    job = context.attempt.job
    channel, lineup = _channel(context, content_id), lineup_of(job.id, job.client, clips)
    before = await channel.look()
    for location, origin in lineup.origins.items():
        await channel.offer_location(location, origin)
    for done, source in enumerate(lineup.sources):
        await channel.offer_source(source, update=update_existing_vod_sources)
        await context.progress(0.8 * (done + 1) / len(lineup.sources))
    if before is not None and restart_channel:
        await channel.stop()
    made = await channel.make(dvr_window_length)
    await channel.schedule(job.id, lineup)
    if before is None or restart_channel:
        await channel.start()
    elif before["ChannelState"] != "RUNNING":
        await context.warn(f"the channel {channel.name} is stopped, and left so: restart_channel")
    await context.info(
        f"channel {channel.name}: {len(lineup.programs)} clips, {playback_url(made)}"
    )
    return {"channel": channel.name, "url": playback_url(made)}


@action("mediatailor.change_state")
async def change_state(
    context: Context, *, content_id: str, state: Literal["start", "stop"], delete: bool = False
) -> JsonObject:
    """Start, stop or delete the client's channel of this content id."""
    if delete and state == "start":
        raise PermanentFailure("delete: a channel that is started cannot be deleted")
    channel = _channel(context, content_id)
    if delete:
        found = await channel.delete()
        told = "is deleted; its sources stay, for other channels" if found else "is not there"
        await (context.info if found else context.warn)(f"channel {channel.name} {told}")
    else:
        await (channel.start() if state == "start" else channel.stop())
        await context.info(f"channel {channel.name}: {state}")
    return {"channel": channel.name}


def _channel(context: Context, content_id: str) -> LoopingChannel:
    name = channel_name(context.attempt.job.client, content_id)
    service = MediaTailor(context.mediatailor, context.http)
    return LoopingChannel(name, service, context.confirm)
