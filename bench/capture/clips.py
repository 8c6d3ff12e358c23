"""Many clips of three encoders, stitched: every picture and every beep is checked."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from random import Random

import trio

from bench.capture.archives import Tell, costs, origin, write
from bench.capture.checks import expect_all, expect_sound, tracks
from bench.capture.film import LOOP, RATE, make_film
from bench.capture.jobs import captured
from bench.serving import EngineFailed, Served
from taskengine.capture.moments import told

LINES = 240
SHORTEST, LONGEST = 30, 90  # pictures of a clip
BEGAN = Fraction(1_700_000_000)
ENCODERS = (  # their pictures can stand in one track; their parameter sets differ
    (),
    ("-profile:v", "main", "-bf", "0", "-refs", "1"),
    ("-preset", "fast", "-bf", "2", "-x264-params", "cabac=0:weightp=0"),
)
GROUP = 2 * RATE  # pictures
ENCODED = re.compile(r"(\d+) of \d+ pictures are encoded anew, in (\d+) parts")


async def stitched(
    data: Path, served: Served, number: int, tell: Tell, lines: int = LINES
) -> list[tuple[str, str]]:
    """Rows of the table. Raises EngineFailed for what is not exact."""
    folders = [data / f"encoder-{place}" for place in range(len(ENCODERS))]
    for folder, options in zip(folders, ENCODERS, strict=True):
        film = await trio.to_thread.run_sync(
            lambda f=folder, o=options: make_film(f, lines, options=o)
        )
        await trio.to_thread.run_sync(write, folder, film, Fraction(2 * LOOP), BEGAN)
    ranges = _ranges(number)
    async with origin(folders[0]) as a, origin(folders[1]) as b, origin(folders[2]) as c:
        urls = [f"{url}/archive.m3u8" for url in (a, b, c)]
        clips = [
            {"source": urls[n % 3], **_range(first, last)} for n, (first, last) in enumerate(ranges)
        ]
        done = await captured(served, data / "output", "clips", clips)
    tell(f"{number} clips are stitched in {done.wall:.1f} s")
    worst = await trio.to_thread.run_sync(_check, done.folder, ranges)
    encoded, most = _encoded(done.lines)
    if most > 2 * GROUP:
        raise EngineFailed(f"{most} pictures are encoded for a joint")
    length = sum(last - first for first, last in ranges) / RATE
    return [
        (f"{number} clips of three encoders, {length:.0f} s in all", f"{done.wall:.1f} s"),
        ("sound beside pictures at worst", f"{1000 * worst:.2f} ms"),
        ("pictures encoded anew for a joint, at most two groups of 50", f"{encoded:.1f}"),
        *costs(done, length),
    ]


def _ranges(number: int) -> list[tuple[int, int]]:
    """Pictures `[first, last)` of each clip; none begins or ends in a beep."""
    chance, found = Random(1), []
    quiet = [n for n in range(2 * LOOP * RATE - RATE) if 3 <= n % RATE <= RATE - 3]
    while len(found) < number:
        first = chance.choice(quiet)
        last = first + chance.randint(SHORTEST, LONGEST)
        if last in quiet:
            found.append((first, last))
    return found


def _range(first: int, last: int) -> dict[str, str | float]:
    start, end = (told(BEGAN + Fraction(n, RATE), has_clock=True) for n in (first, last))
    return {"start": start, "end": end}


def _check(folder: Path, ranges: list[tuple[int, int]]) -> float:
    pictures, sound = tracks(folder)
    for path in pictures:
        expect_all(path, [n % (LOOP * RATE) for first, last in ranges for n in range(first, last)])
    heard, at = [], 0
    for first, last in ranges:
        heard += [(at + n - first) / RATE for n in range(first, last) if n % RATE == 0]
        at += last - first
    return expect_sound(sound, heard)


def _encoded(lines: list[str]) -> tuple[float, float]:
    """Pictures encoded for a joint: on average, and the most of any rendition on average."""
    said = [
        re.search(r"(\d+) of \d+ pictures are encoded anew, in (\d+) parts", line) for line in lines
    ]
    rows = [2 * int(one[1]) / max(1, int(one[2])) for one in said if one]
    if not rows:
        raise EngineFailed("the log does not say what was encoded")
    return sum(rows) / len(rows), max(rows)
