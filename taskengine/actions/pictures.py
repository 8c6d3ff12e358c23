"""Single pictures and short stretches of a stream, as images."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Final

import trio

from taskengine.actions.context import Context
from taskengine.actions.materials import bench_of, stage
from taskengine.actions.package import plain_name
from taskengine.actions.recorded import recorded
from taskengine.actions.registry import action
from taskengine.capture.frames import Frames
from taskengine.capture.looked import Looked
from taskengine.capture.model import Time
from taskengine.capture.moments import MILLISECOND, Moment, read_position, told
from taskengine.capture.pictures import OneRendition, around, needed, scaled, shape_of, shown_at
from taskengine.capture.pieces import stretches
from taskengine.capture.showing import RecordedClip
from taskengine.media.images import FORMATS, Shape, backwards, write_gif, write_image
from taskengine.model import JsonObject, PermanentFailure

LEADS: Final = (0, 12, 60)  # seconds before a picture in which its keyframe is looked for
HEIGHT: Final = 480  # pixels of a GIF that names no size
LARGEST: Final = 300_000_000  # pixels of a GIF, of all its pictures


@action("pictures.frame")
async def capture_frame(
    context: Context, *, source: str, frame_time: str | float, image_filename: str
) -> JsonObject:
    """Take the picture that a stream shows at a time, as an image in the format of its name."""
    target = context.scratch / _named(image_filename, FORMATS)
    moment = _position("frame_time", frame_time)
    for place, lead in enumerate(LEADS):
        asked = OneRendition(place, (source,), *around(moment, Fraction(lead)))
        clip = await recorded(context, asked)
        one, shown = await _shown(clip)
        if (part := needed(one, shown)) is not None:
            break
    else:
        raise PermanentFailure(f"frame_time: no keyframe in {LEADS[-1]} s before {frame_time}")
    raw, shape = context.scratch / "picture.raw", shape_of(one.format)
    await clip.cutter("frame").show(one, part, scaled(one.format, shape), raw)
    await write_image(raw, shape, target)
    at = told(one.stretch.time(shown), has_clock=clip.range.has_clock)
    await context.info(f"The picture of {at}, {shape.width}x{shape.height}")
    return await stage(context, [target])


@action("pictures.gif")
async def generate_gif(
    context: Context,
    *,
    source: str,
    start_at: str | float,
    duration: float,
    gif_filename: str,
    bitrate: int | None = None,
    fps: float = 12,
    width: int = -1,
    height: int = -1,
    playback_loop: int = 0,
    reverse: bool = False,
    playback_speed: float = 1,
) -> JsonObject:
    """Make an animated GIF of a stretch of a stream, from its first picture at or after a time."""
    target = context.scratch / _named(gif_filename, (".gif",))
    start = _position("start_at", start_at)
    end = Moment(start.time + Fraction(str(duration)), start.is_offset)
    clip = await recorded(context, OneRendition(0, (source,), start, end, bitrate=bitrate))
    looked = await clip.look()
    best = looked.best
    assert best is not None  # the clip is one of pictures
    for gap in looked.gaps:
        first, last = (told(at, has_clock=clip.range.has_clock) for at in (gap.start, gap.end))
        await context.warn(f"The source has nothing of {first} to {last}")
    shape = _gif_shape(shape_of(best.format), width, height)
    frames = Frames(clip.cutter("gif"), best, shape, _exact(fps), _exact(playback_speed))
    _check_size(frames.number, shape)
    raw = context.scratch / "pictures.raw"
    await frames.write(raw)
    if reverse:
        given, raw = raw, raw.with_suffix(".reversed")
        await trio.to_thread.run_sync(backwards, given, shape, raw)
    await write_gif(bench_of(context), raw, shape, fps, target, repetitions=playback_loop)
    await context.info(f"{frames.number} pictures, {shape.width}x{shape.height}")
    return await stage(context, [target])


async def _shown(clip: RecordedClip) -> tuple[Looked, int]:
    """The picture that is shown at the clip's end. Raises PermanentFailure if there is none."""
    [name] = clip.names("video")
    cutter = clip.cutter("look")
    looked = [await cutter.look(one) for one in stretches(clip.segments(name))]
    time: Time = clip.range.end - MILLISECOND
    found = shown_at([one for one in looked if one is not None], time)
    if found is None:
        at = told(time, has_clock=clip.range.has_clock)
        raise PermanentFailure(f"frame_time: the stream shows no picture at {at}")
    return found


def _position(field: str, value: str | float) -> Moment:
    try:
        return read_position(value)
    except ValueError as error:
        raise PermanentFailure(f"{field}: {error}") from None


def _named(name: str, suffixes: Collection[str]) -> str:
    if PurePosixPath(name).suffix.lower() not in suffixes:
        raise PermanentFailure(f"{name}: expected a name that ends with {', '.join(suffixes)}")
    return plain_name(name)


def _gif_shape(shown: Shape, width: int, height: int) -> Shape:
    if width < 0 and height < 0:
        height = HEIGHT
    return shown.fitting(width, height)


def _check_size(number: int, shape: Shape) -> None:
    if number * shape.width * shape.height > LARGEST:
        raise PermanentFailure(
            f"a GIF of {number} pictures of {shape.width}x{shape.height} is too large, expected"
            f" {LARGEST} pixels at most: choose less of duration, fps, width or height"
        )


def _exact(value: float) -> Fraction:
    return Fraction(str(value))
