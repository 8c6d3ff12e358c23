"""Recording a stream into an archive, of which assets are made later."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from fractions import Fraction
from typing import Final

import trio

from taskengine.actions.capture import now
from taskengine.actions.context import Context
from taskengine.actions.registry import action
from taskengine.actions.together import unwrapped
from taskengine.archive.archiver import Archiver
from taskengine.archive.chapters import Chapter
from taskengine.archive.index import ABOUT, FOLDER
from taskengine.archive.recording import ArchiveRecording
from taskengine.capture.clip import FOREVER, Clip
from taskengine.capture.encryption.proof import Proof
from taskengine.capture.following import Following
from taskengine.capture.model import Time
from taskengine.capture.moments import Moment
from taskengine.capture.web import Web
from taskengine.media.keys import AssetKeys, asset_name, generate_keys, raw_key
from taskengine.media.tools import Bench
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import Folder, unfenced

TRACKS: Final = 'type=="video"||type=="audio"'
LINE_SECONDS: Final = 600.0


@action("archive.record")
async def record_archive(
    context: Context,
    *,
    capture_id: str,
    storage: str,
    stream: JsonObject,
    root: str = "input_root",
    retention: float | None = None,
    profiles: list[JsonObject] | None = None,
) -> JsonObject:
    """Record a stream until its end, or that of the job, into the archive of a capture id; what
    ended more than `retention` seconds ago goes."""
    folder = await open_archive(context, storage, root, capture_id)
    kept = [await _keep_profile(context, folder, one) for one in profiles or []]
    await _tell(context, folder, {"retention": retention, "profiles": kept})
    clip = Clip.read(0, {**stream, "filter": _filter(stream)})
    archiver = Archiver(
        # Not fenced: names derive from what is stored, and the stream waits for no database.
        replace(folder, fence=unfenced),
        clip.start.time if clip.start else Fraction(context.epoch),
        clip.end.time if clip.end else FOREVER,
        retention,
        _follower(context, replace(folder, fence=unfenced), clip),
        now,
        context.info,
        context.warn,
    )
    async with unwrapped(), trio.open_nursery() as nursery:
        nursery.start_soon(_tell_again, context, archiver)
        await archiver.run()
        nursery.cancel_scope.cancel()
    await context.info(f"Recorded {archiver.segments} segments of {capture_id}")
    return {"folder": folder.complete, "segments": archiver.segments}


async def open_archive(context: Context, storage: str, root: str, capture_id: str) -> Folder:
    """The folder of an archive, below the root of sources: no web server delivers it."""
    return await context.open_folder(storage, root, f"{FOLDER}/{capture_id}")


def profile_keys(folder: Folder, profile_id: str) -> str:
    """What the keys of a profile of an archive are kept under."""
    return asset_name(folder, f"profile {profile_id}")


def _follower(
    context: Context, folder: Folder, clip: Clip
) -> Callable[[Chapter, Time, Time], Following]:
    web, writer = Web(context.http), f"{context.attempt.job.id}.{context.attempt.task.attempt}"

    def follow(chapter: Chapter, start: Time, end: Time) -> Following:
        scratch = context.scratch / chapter.folder
        scratch.mkdir(exist_ok=True)
        place = folder.below(chapter.folder)
        recording = ArchiveRecording(place, scratch, writer, chapter=chapter)
        wanted = replace(clip, start=_utc(start), end=_utc(end))
        proof = Proof(Bench(context.run, scratch))
        tell = (_of_stream(context.debug), _of_stream(context.warn))
        following = Following(wanted, web, recording, scratch, now, *tell, proof)
        recording.hear = following.listener.noted.note
        return following

    return follow


def _utc(at: Time) -> Moment:
    return Moment(at, is_offset=False)


def _of_stream(write: Callable[[str], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
    """The job knows of a stream, not of clips."""

    async def tell(line: str) -> None:
        await write(line.replace("Clip 0: ", "").replace(" of clip 0", ""))

    return tell


def _filter(stream: JsonObject) -> str:
    """What the job wants, of what an archive takes."""
    wanted = stream.get("filter")
    return f"({wanted})&&({TRACKS})" if wanted else TRACKS


async def _keep_profile(context: Context, folder: Folder, said: JsonObject) -> JsonObject:
    """Its keys in the store, and of the rest what makes a manifest. Raises PermanentFailure if it
    has other keys already."""
    profile_id = said["profile_id"]
    wanted = _keys(said)
    kept = await context.keys.keep(profile_keys(folder, profile_id), wanted)
    if said.get("content_key") and (kept.key_id, kept.key) != (wanted.key_id, wanted.key):
        raise PermanentFailure(f"profiles: {profile_id} has other keys already")
    return {"profile_id": profile_id, "drm": said["drm"]}


def _keys(said: JsonObject) -> AssetKeys:
    made = generate_keys()
    if not said.get("content_key"):
        return made
    key, key_id = raw_key(said["content_key"]), raw_key(said["key_id"])
    return AssetKeys(key_id, key, secrets.token_hex(16), made.aes)


async def _tell(context: Context, folder: Folder, about: JsonObject) -> None:
    """What makers of assets have to know of the archive."""
    path = context.scratch / ABOUT
    await trio.Path(path).write_text(json.dumps(about), "utf-8")
    await folder.put(path, ABOUT)


async def _tell_again(context: Context, archiver: Archiver) -> None:
    while True:
        await trio.sleep(LINE_SECONDS)
        await context.info(f"{archiver.segments} segments in chapters that are complete")
