"""Pictures of a video: a still, and a sprite of previews with its WebVTT map."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Final

import trio

from taskengine.media.ffmpeg import OnProgress, ffmpeg, source
from taskengine.media.tables import read_track, shown_at
from taskengine.media.times import webvtt_time
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.model import PermanentFailure

TILE: Final = 160  # pixels; width of a preview
COLUMNS: Final = 10
MOST: Final = 4_000  # previews of a sprite: 64,000 bytes each while it is made
_CLOCK: Final = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")  # [[hh:]mm:]ss[.f]


def seconds(value: float | str) -> float:
    """A position: seconds, mm:ss or hh:mm:ss, with any fraction."""
    found = _CLOCK.fullmatch(str(value).strip())
    if found is None:
        raise PermanentFailure(f"time: expected seconds, mm:ss or hh:mm:ss: {value!r}")
    hours, minutes, rest = found.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


async def still(bench: Bench, track: Track, position: float, target: Path) -> None:
    """A JPEG of the picture that is on screen at a position; behind the end, of the last one."""
    place = ["-map", f"0:{track.stream}", "-frames:v", "1"]
    shape = ["-pix_fmt", "yuvj420p", "-q:v", "2", "-update", "1", "-f", "image2", f"file:{target}"]
    path = bench.folder / track.file
    header, samples = await trio.to_thread.run_sync(read_track, path, track.stream)
    at = shown_at(header, samples, position + track.zero) - track.zero
    half = 0.25 / (track.frame_rate or 25)  # times are rounded on the way
    await ffmpeg(bench, *source(path, "-ss", f"{max(0.0, at - half):.6f}"), *place, *shape)
    if not await trio.Path(target).exists():
        raise PermanentFailure(f"there is no picture at {position:g} s")


async def sprite(
    bench: Bench,
    track: Track,
    interval: float,
    target: Path,
    *,
    on_progress: OnProgress | None = None,
) -> str:
    """A JPEG with a preview for each interval; returns the WebVTT that maps times to them."""
    interval = max(interval, track.duration / MOST)
    count = max(1, math.ceil(round(track.duration / interval, 6)))
    columns = columns_of(count)
    rows = math.ceil(count / columns)
    height = max(2, round(TILE * track.height / track.width / 2) * 2)
    chain = (
        f"tpad=stop_mode=clone:stop_duration={interval + 10:g},"
        f"fps=1/{interval:.6f}:start_time=0:round=up,trim=end_frame={count},"
        f"scale={TILE}:{height},tile={columns}x{rows}:nb_frames={count}"
    )
    await ffmpeg(
        bench,
        *source(bench.folder / track.file, "-skip_frame", "nokey"),
        *("-map", f"0:{track.stream}", "-vf", chain, "-frames:v", "1", "-q:v", "4"),
        *("-update", "1", "-f", "image2", f"file:{target}"),
        duration=track.duration,
        on_progress=on_progress,
    )
    return preview_map(target.name, count, columns, height, interval, track.duration)


def preview_map(
    image: str, count: int, columns: int, height: int, interval: float, duration: float
) -> str:
    """The WebVTT of a sprite: which part of the image, so many pixels high, each time shows."""
    cells = [(n % columns * TILE, n // columns * height) for n in range(count)]
    lines = ["WEBVTT"]
    for number, (x, y) in enumerate(cells):
        end = min((number + 1) * interval, duration)
        lines += ["", f"{webvtt_time(number * interval)} --> {webvtt_time(end)}"]
        lines += [f"{image}#xywh={x},{y},{TILE},{height}"]
    return "\n".join(lines) + "\n"


def columns_of(count: int) -> int:
    """How many previews a row of a sprite has."""
    return min(count, max(COLUMNS, math.ceil(math.sqrt(count))))
