"""Previews for the timeline of players, of a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import trio

from taskengine.actions.capture import now
from taskengine.actions.context import Context
from taskengine.actions.materials import bench_of, stage
from taskengine.actions.package import plain_name
from taskengine.actions.registry import action
from taskengine.actions.together import together, unwrapped
from taskengine.capture.assembly import Assembler
from taskengine.capture.encryption.keys import ClipKeys
from taskengine.capture.encryption.proof import Proof
from taskengine.capture.fetching import Fetcher
from taskengine.capture.locks import Locks
from taskengine.capture.model import Fetched, SourceAway, SourceRefused, SourceTrack
from taskengine.capture.pictures import scaled, shape_of
from taskengine.capture.recording import Recording
from taskengine.capture.sampling import (
    NAME,
    Drawing,
    Plan,
    Sampler,
    WantedPicture,
    cheapest,
    planned,
    tried,
)
from taskengine.capture.streams import open_stream
from taskengine.capture.video import VideoCutter
from taskengine.capture.web import Web
from taskengine.media.copying import concatenate
from taskengine.media.images import Shape, write_sheet
from taskengine.media.thumbnail import MOST, TILE, columns_of, preview_map
from taskengine.model import JsonObject, PermanentFailure

FOLDER = "samples"  # in the job's workspace


@action("pictures.previews")
async def build_thumbnails(
    context: Context, *, source: str, filename_prefix: str, interval: float = 10, fps: float = 24
) -> JsonObject:
    """Make a sprite of a stream's keyframes and its WebVTT, `<prefix>_sprite.jpg` and `.vtt`.
    `fps` is the frame rate of a source that states none: no two previews are nearer than frames."""
    image = context.scratch / plain_name(f"{filename_prefix}_sprite.jpg")
    web = Web(context.http)
    track, plan = await _planned(web, source, interval, fps)
    sampler = _sampler(context, web, track.bitrate)
    async with unwrapped():
        await sampler.fetch(plan, lambda share: context.progress(0.5 * share))
    shape = await _drawn(context, sampler, plan, image)
    count, step, lasts = len(plan.samples), float(plan.interval), float(plan.duration)
    text = preview_map(image.name, count, columns_of(count), shape.height, step, lasts)
    map_file = image.with_suffix(".vtt")
    await trio.Path(map_file).write_text(text)
    await context.info(f"{count} previews, {shape.width}x{shape.height}, every {step:g} s")
    return await stage(context, [image, map_file])


async def _planned(web: Web, url: str, interval: float, fps: float) -> tuple[SourceTrack, Plan]:
    """Which track is taken, and what of it. Raises PermanentFailure for what cannot be read."""
    found: list[tuple[SourceTrack, Plan]] = []

    async def read() -> None:
        stream = await open_stream(url, web.get, now)
        track = cheapest(stream.tracks, TILE)
        step = max(interval, 1 / (track.frame_rate or fps))
        found.append((track, await planned(stream, track, step, MOST)))

    try:
        await tried(read)
    except (SourceAway, SourceRefused) as error:
        raise PermanentFailure(f"source: {error}") from None
    return found[0]


def _sampler(context: Context, web: Web, bitrate: int) -> Sampler:
    bench, scratch = bench_of(context), context.scratch
    folder = context.workspace.below(FOLDER)
    recording = Recording(folder, scratch, str(context.attempt.task.attempt))
    fetcher = Fetcher(
        web, recording, scratch, Locks(web, ClipKeys(), Proof(bench)), {NAME: bitrate}
    )
    return Sampler(bench, fetcher, Assembler(folder, scratch), context.warn)


async def _drawn(context: Context, sampler: Sampler, plan: Plan, image: Path) -> Shape:
    """All previews as one image; the shape of each."""
    there = sampler.recorded()
    if not there:
        raise PermanentFailure("source: none of its pictures could be had")
    drawing = await _drawing(sampler, list(there.values()))
    made: dict[int, Path] = {}

    async def draw(place: int, sample: WantedPicture) -> None:
        one = there.get((sample.segment.number, sample.segment.start))
        path = context.scratch / f"preview-{place}"
        if one is not None and await sampler.picture(one, sample.within, drawing, path):
            made[place] = path
        await context.progress(0.5 + 0.5 * place / len(plan.samples))

    await together(partial(draw, *one) for one in enumerate(plan.samples))
    if not made:
        raise PermanentFailure("source: none of its pictures can be decoded")
    if missing := len(plan.samples) - len(made):
        await context.warn(
            f"{missing} previews are missing, those beside them stand in their place"
        )
    raw = context.scratch / "previews.raw"
    parts = [_nearest(made, place) for place in range(len(plan.samples))]
    await trio.to_thread.run_sync(concatenate, parts, raw)
    columns = columns_of(len(plan.samples))
    await trio.to_thread.run_sync(write_sheet, raw, drawing.shape, columns, image)
    return drawing.shape


async def _drawing(sampler: Sampler, segments: Sequence[Fetched]) -> Drawing:
    """Previews are as wide as all of them, in the proportions of the stream."""
    cutter = VideoCutter(sampler.bench, sampler.assembler, "previews")
    for one in segments:
        if (form := await cutter.format((one,))) is not None:
            fitting = shape_of(form).fitting(TILE, -1)
            shape = Shape(TILE, max(2, round(fitting.height / 2) * 2))
            return Drawing(shape, scaled(form, shape))
    raise PermanentFailure("source: there are no pictures in it that a decoder takes")


def _nearest(made: Mapping[int, Path], place: int) -> Path:
    return made[min(made, key=lambda other: (abs(other - place), other))]
