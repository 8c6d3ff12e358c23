"""The measurement: an archive, the same stream live, and many clips of several encoders."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import trio

from bench.capture.archives import Tell, by_task, costs, origin, write
from bench.capture.checks import EDGE, expect_pictures, expect_sound, tracks
from bench.capture.clips import LINES, stitched
from bench.capture.film import LOOP, RATE, Rendition, make_film
from bench.capture.jobs import captured, copied
from bench.serving import Served, serving
from taskengine.capture.moments import told

FIRST, LAST = 31, 34  # pictures that are cut off at the ends of the archive
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Wanted:
    minutes: float
    live: int  # seconds
    clips: int
    only: tuple[str, ...]
    lines: int


async def run(data: Path, wanted: Wanted, tell: Tell) -> str:
    """All that is wanted, as a Markdown table."""
    rows: list[tuple[str, str]] = []
    film = data / "film"
    made = await trio.to_thread.run_sync(make_film, film, wanted.lines)
    tell("the film is made")
    async with serving(data, queues="work=3,windows_capture=3,callback=1") as served:
        if "archive" in wanted.only:
            rows += await _archive(data, served, film, made, wanted, tell)
        if "live" in wanted.only:
            rows += await _live(data, served, film, made, wanted, tell)
        if "clips" in wanted.only:
            rows += await stitched(data, served, wanted.clips, tell, min(LINES, wanted.lines))
    return "\n".join(["| | |", "|---|--:|", *(f"| {k} | {v} |" for k, v in rows)])


async def _archive(
    data: Path, served: Served, film: Path, made: Sequence[Rendition], wanted: Wanted, tell: Tell
) -> list[tuple[str, str]]:
    began = Fraction(int(time.time()) - 7 * 24 * HOUR)
    seconds = Fraction(round(wanted.minutes * 60))
    archive = await trio.to_thread.run_sync(write, film, made, seconds, began)
    tell(f"the archive of {wanted.minutes:g} min has {archive.size / 1e6:.0f} MB")
    frames = int(seconds * RATE)
    start, end = (told(began + Fraction(n, RATE), has_clock=True) for n in (FIRST, frames - LAST))
    os.sync()
    async with origin(film) as url:
        clip = {"source": f"{url}/archive.m3u8", "start": start, "end": end}
        done = await captured(served, data / "output", "archive", [clip])
    tell(f"captured in {done.wall:.1f} s: {by_task(done.tasks)}")
    os.sync()
    alone = await trio.to_thread.run_sync(copied, film, data / "copied.mp4")
    tell(f"ffmpeg -c copy takes {alone:.1f} s")
    worst = await trio.to_thread.run_sync(_check, done.folder, FIRST, frames - LAST)
    shown = f"{wanted.minutes:g} min of {wanted.lines} lines, {archive.size / 1e9:.2f} GB"
    return [
        (f"archive: {shown}, the whole job", f"{done.wall:.1f} s"),
        ("of it, by task", by_task(done.tasks)),
        ("`ffmpeg -c copy` over the same local segments", f"{alone:.1f} s"),
        ("the cut as a multiple of it", f"{done.tasks['cut'] / alone:.2f}"),
        ("the whole job as a multiple of it", f"{done.wall / alone:.2f}"),
        ("the whole job, less 3 s, as a multiple of it", f"{(done.wall - 3) / alone:.2f}"),
        ("sound beside pictures at the end", f"{1000 * worst:.2f} ms"),
        *costs(done, float(seconds)),
    ]


async def _live(
    data: Path, served: Served, film: Path, made: Sequence[Rendition], wanted: Wanted, tell: Tell
) -> list[tuple[str, str]]:
    began = Fraction(int(time.time()) + 2)
    seconds = Fraction(wanted.live + 8)
    await trio.to_thread.run_sync(write, film, made, seconds, began)
    frames = wanted.live * RATE
    start, end = (told(began + Fraction(n, RATE), has_clock=True) for n in (FIRST, FIRST + frames))
    async with origin(film) as url:
        clip = {"source": f"{url}/live.m3u8", "start": start, "end": end}
        done = await captured(served, data / "output", "live", [clip], continuous_capture=True)
    late = time.time() - float(began + Fraction(FIRST + frames, RATE))
    tell(f"live captured, done {late:.1f} s after its end: {by_task(done.tasks)}")
    worst = await trio.to_thread.run_sync(_check, done.folder, FIRST, FIRST + frames)
    return [
        (f"live: {wanted.live} s, done after its end", f"{late:.1f} s"),
        ("sound beside pictures at the end", f"{1000 * worst:.2f} ms"),
        *costs(done, wanted.live),
    ]


def _check(folder: Path, first: int, last: int) -> float:
    """The pictures `[first, last)` of the stream, and the beeps of their last seconds."""
    pictures, sound = tracks(folder)
    loop = LOOP * RATE
    edges = [[n % loop for n in part]
             for part in (range(first, first + 50), range(last - 50, last))]  # fmt: skip
    for path in pictures:
        expect_pictures(path, last - first, *edges)
    seconds = Fraction(last - first, RATE)
    begun = Fraction(first, RATE)
    heard = [float(n - begun) for n in range(-(-last // RATE)) if n - begun >= seconds - EDGE]
    return expect_sound(sound, heard, max(0.0, float(seconds) - EDGE))
