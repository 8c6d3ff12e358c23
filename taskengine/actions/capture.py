"""Capturing streams: what is offered is recorded while it is there, then cut to the frame."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean
from typing import Final

import trio

from taskengine.actions.context import Context
from taskengine.actions.cutting import Cut
from taskengine.actions.materials import stage
from taskengine.actions.missing import Missing
from taskengine.actions.registry import action
from taskengine.actions.together import unwrapped
from taskengine.actions.vodstream import OF_NO_USE
from taskengine.capture.clip import FOREVER, Clip
from taskengine.capture.encryption.proof import Proof
from taskengine.capture.filters import read_filter
from taskengine.capture.following import Following
from taskengine.capture.recording import Recording
from taskengine.capture.web import Web
from taskengine.media.properties import apply_track_properties
from taskengine.media.sets import plan_sets
from taskengine.media.tiles import Tiles
from taskengine.media.tools import Bench
from taskengine.media.tracks import arrange, longest
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import Folder

PROGRESS_SECONDS: Final = 2.0
LINE_SECONDS: Final = 60.0
AT_ONCE: Final = 20  # clips that are over and recorded side by side; hundreds starve the engine
KEYS_ONLY: Final = ("cpix", "encrypt_ismv")  # options that change nothing in this job, if given
MANIFESTS_ONLY: Final = ("trickplay", "trickplay_thumbnails")  # options that a file has no use of
FOLDER: Final = "recording"  # in the job's workspace: of the job, not of an attempt


@action("capture.record")
async def record(
    context: Context, *, clips: list[JsonObject], options: JsonObject | None = None
) -> JsonObject:
    """Follow the sources of all clips, and keep what they offer in the job's workspace."""
    _check_options(options or {})
    web = Web(context.http)
    following = [follow(context, web, Clip.read(*one)) for one in enumerate(clips)]
    async with telling(context, following), trio.open_nursery() as recorders:
        over: list[Following] = []
        for one in following:
            if _is_over(one):
                over.append(one)
            else:
                recorders.start_soon(one.run)
        turns = trio.CapacityLimiter(AT_ONCE)
        for one in sorted(over, key=_begins):  # what rolls off first comes first
            await turns.acquire_on_behalf_of(one.clip.place)
            recorders.start_soon(_run_in_turn, one, turns)
    await context.progress(1.0)
    size = sum(one.recording.size for one in following)
    number = sum(len(one.recording.fetched) for one in following)
    await context.info(f"Recorded {number} segments, {size / 1e6:.1f} MB")
    return {"recording": FOLDER, "clips": len(clips), "segments": number, "bytes": size}


@action("capture.cut")
async def cut(
    context: Context,
    *,
    recording: str,
    clips: int,
    drm: list[str],
    enable_drm: bool = True,
    generate_vod: bool = True,
    frame_accurate: bool = True,
    missing_content: str = "cut",
    missing_content_limit: float | None = None,
    text_filter: str = "",
    copy_ts: bool = False,
    track_properties: list[JsonObject | None] | None = None,
    options: JsonObject | None = None,
) -> JsonObject:
    """Cut what was recorded to its clips, and stitch them: a file for each track.

    `text_filter` is that of the first clip, for captions that lie inside the pictures.
    """
    missing = _missing(missing_content, missing_content_limit)
    admitted = read_filter(text_filter) if text_filter else lambda track: True
    work = Cut(context, frame_accurate, missing, admitted, copy_ts)
    found = await work.tracks([_folder(context, recording, place) for place in range(clips)])
    tracks = apply_track_properties(arrange(found), *(track_properties or []))
    plan = plan_sets(drm, enable_drm=enable_drm)
    has_pictures = any(track.type == "video" for track in tracks)
    await _tell_left_out(context, options or {}, has_pictures, plan.clear, generate_vod)
    return {
        "duration": round(longest(tracks), 3),
        "gaps": work.missing.told,
        "pictures": has_pictures,
        "markers": [marker.to_json() for marker in await work.markers()],
        "tracks": [track.to_json() for track in await work.placed(tracks)],
        "images": await _placed(context, work.images, has_manifests=generate_vod),
        "clear": generate_vod and plan.clear,
        "drm": list(plan.drm) if generate_vod else [],
        "active": plan.active,
    }


async def _placed(
    context: Context, images: Sequence[Tiles], *, has_manifests: bool
) -> list[JsonObject]:
    """Tracks of thumbnails where later tasks find their files."""
    if images and not has_manifests:
        await context.warn("thumbnails of the source are left out: they need generate_vod")
        return []
    placed = []
    for one in images:
        staged = await stage(context, [context.scratch / file for file in one.files])
        placed.append({**one.to_json(), "folder": staged["staged"]})
    return placed


async def _tell_left_out(
    context: Context, options: JsonObject, has_pictures: bool, is_clear: bool, has_manifests: bool
) -> None:
    if not has_pictures:
        await context.info("There are no pictures: no thumbnails are made")
    if options.get("create_dref") and not is_clear:
        await context.info("create_dref: no dref MP4 is made, it could only refer to clear media")
    for name in KEYS_ONLY:
        if options.get(name):
            await context.warn(f"{name}: {OF_NO_USE[name]}")
    for name in MANIFESTS_ONLY if not has_manifests else ():
        if options.get(name):
            await context.warn(f"{name} is left out: it needs generate_vod")


def _missing(content: str, limit: float | None) -> Missing:
    """What becomes of what no source had; without a limit `fail` takes none."""
    return Missing(0.0 if limit is None and content == "fail" else limit, content == "fill")


def _check_options(options: JsonObject) -> None:
    """What makes no result at all (A79)."""
    if not options.get("generate_vod", True):
        if options.get("create_dref"):
            raise PermanentFailure("create_dref: a dref MP4 needs generate_vod")
        if not options.get("generate_mp4"):
            raise PermanentFailure(
                "generate_vod and generate_mp4 are both false: there is no result"
            )


def _folder(context: Context, name: str, place: int) -> Folder:
    return context.workspace.below(name).below(f"clip-{place}")


def follow(context: Context, web: Web, clip: Clip, name: str = FOLDER) -> Following:
    """What records a clip into a folder of the workspace."""
    scratch = context.scratch / f"clip-{clip.place}"
    scratch.mkdir(exist_ok=True)
    writer = str(context.attempt.task.attempt)
    recording = Recording(_folder(context, name, clip.place), scratch, writer)
    proof = Proof(Bench(context.run, scratch))
    return Following(clip, web, recording, scratch, now, context.info, context.warn, proof)


def _is_over(one: Following) -> bool:
    """What is over can wait for a turn; what is live, or may be, cannot."""
    end = one.clip.end
    return end is not None and not end.is_offset and end.time <= now()


def _begins(one: Following) -> Fraction:
    start = one.clip.start
    return start.time if start is not None and not start.is_offset else Fraction(0)


async def _run_in_turn(one: Following, turns: trio.CapacityLimiter) -> None:
    try:
        await one.run()
    finally:
        turns.release_on_behalf_of(one.clip.place)


def now() -> Fraction:
    """Seconds since 1970."""
    return Fraction(time.time())


@asynccontextmanager
async def telling(context: Context, following: Sequence[Following]) -> AsyncIterator[None]:
    """How far they are is told meanwhile."""
    async with unwrapped(), trio.open_nursery() as nursery:
        nursery.start_soon(_tell, context, following)
        yield
        nursery.cancel_scope.cancel()


async def _tell(context: Context, following: Sequence[Following]) -> None:
    """The progress, and a line now and then."""
    report = _Report(following, trio.current_time())
    while True:
        await trio.sleep(PROGRESS_SECONDS)
        await context.progress(report.share)
        if report.is_due():
            await context.info(report.line())


@dataclass(slots=True)
class _Report:
    following: Sequence[Following]
    began: float
    told: float = 0.0
    first: float = -1.0  # share that an earlier attempt had

    @property
    def share(self) -> float:
        return fmean([one.share for one in self.following] or [0.0])

    def is_due(self) -> bool:
        if self.first < 0:
            self.first, self.told = self.share, self.began
        now = trio.current_time()
        is_due = now - self.told >= LINE_SECONDS
        if is_due:
            self.told = now
        return is_due

    def line(self) -> str:
        size = sum(one.recording.size for one in self.following)
        line = f"{100 * self.share:.1f} % fetched, {size / 1e6:.1f} MB"
        left = self.left()
        return line if left is None else f"{line}, about {left:.0f} s left"

    def left(self) -> float | None:
        """Seconds: what is still to come of the streams, or at the speed so far."""
        ends = [one.range.end for one in self.following if one.range and one.range.has_clock]
        to_come = max((float(end - now()) for end in ends if end < FOREVER), default=0.0)
        made, share = self.share - self.first, self.share
        elapsed = trio.current_time() - self.began
        rest = (1 - share) * elapsed / made if made > 0 else None
        if to_come > 0:
            return to_come
        return rest
