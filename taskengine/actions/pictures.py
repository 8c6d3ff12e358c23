"""Single pictures and short stretches of a stream, as images."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
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
from taskengine.capture.moments import BEGINNING, MILLISECOND, Moment, read_position, told
from taskengine.capture.pictures import (
    OneRendition,
    around,
    is_summed,
    needed,
    runs_ahead,
    scaled,
    shape_of,
    shown_at,
)
from taskengine.capture.showing import RecordedClip, Shown
from taskengine.media.images import FORMATS, Shape, backwards, write_gif, write_image
from taskengine.model import JsonObject, PermanentFailure

LEADS: Final = (12, 60)  # seconds before a picture in which its keyframe is looked for
FIRST: Final = 9  # the place of the clip of a stream's beginning; those of turns are below it
TURNS: Final = 6
EXACT: Final = Fraction(1, 2000)  # seconds
HEIGHT: Final = 480  # pixels of a GIF that names no size
LARGEST: Final = 300_000_000  # pixels of a GIF, of all its pictures

Record = Callable[[int, Time], Awaitable[RecordedClip]]  # a place for it; by how much to go ahead


@action("pictures.frame")
async def capture_frame(
    context: Context, *, source: str, frame_time: str | float, image_filename: str
) -> JsonObject:
    """Take the picture that a stream shows at a time, as an image in the format of its name."""
    target = context.scratch / _named(image_filename, FORMATS)
    moment = _position("frame_time", frame_time)

    async def record(place: int, ahead: Time, lead: int = 0) -> RecordedClip:
        wanted = around(moment.moved(ahead), Fraction(lead))
        return await recorded(context, OneRendition(place, (source,), *wanted))

    clip, ahead = await _aligned(context, source, record)
    for lead in (0, *LEADS):
        clip = await record(FIRST + lead, ahead, lead) if lead else clip
        one, shown = await _shown(clip)
        if (part := needed(one, shown)) is not None:
            break
    else:
        raise PermanentFailure(f"frame_time: no keyframe in {LEADS[-1]} s before {frame_time}")
    raw, shape = context.scratch / "picture.raw", shape_of(one.format)
    await clip.cutter("frame").show(one, part, scaled(one.format, shape), raw)
    await write_image(raw, shape, target)
    at = told(one.stretch.time(shown) - ahead, has_clock=clip.range.has_clock)
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

    async def record(place: int, ahead: Time) -> RecordedClip:
        moved = start.moved(ahead), end.moved(ahead)
        return await recorded(context, OneRendition(place, (source,), *moved, bitrate=bitrate))

    clip, _ = await _aligned(context, source, record, bitrate)
    looked = await clip.look()
    best = looked.best
    assert best is not None  # the clip is one of pictures
    await _tell_gaps(context, clip, looked)
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


async def _tell_gaps(context: Context, clip: RecordedClip, shown: Shown) -> None:
    for gap in shown.gaps:
        first, last = (told(at, has_clock=clip.range.has_clock) for at in (gap.start, gap.end))
        await context.warn(f"The source has nothing of {first} to {last}")


async def _looked(clip: RecordedClip) -> list[Looked]:
    """The stretches of a clip of one rendition."""
    [name] = clip.names("video")
    return await clip.looked(name)


async def _aligned(
    context: Context, source: str, record: Record, bitrate: int | None = None
) -> tuple[RecordedClip, Time]:
    """What is recorded of a clip, and by how much its times are ahead of the media: durations of
    HLS are rounded, and in an hour that is more than a picture. Players count by the media."""
    clip, ahead = await record(0, Fraction(0)), Fraction(0)
    looked = [] if clip.range.has_clock else await _looked(clip)
    if not looked or not is_summed(looked[0]):
        return clip, ahead
    end = BEGINNING.moved(MILLISECOND)
    asked = OneRendition(FIRST, (source,), BEGINNING, end, bitrate=bitrate)
    [beginning, *_] = await _looked(await recorded(context, asked))
    for turn in range(1, TURNS):
        found = runs_ahead(looked[0], beginning)
        if abs(found - ahead) < EXACT:
            break
        ahead = found
        clip = await record(turn, ahead)
        looked = await _looked(clip) or looked
    return clip, ahead


async def _shown(clip: RecordedClip) -> tuple[Looked, int]:
    """The picture that is shown at the clip's end. Raises PermanentFailure if there is none."""
    time = clip.range.end - MILLISECOND
    found = shown_at(await _looked(clip), time)
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
