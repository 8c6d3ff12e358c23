"""Streams on disk, the origin that serves them, and what a job cost, as rows of a table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import trio

from bench.capture.film import Rendition, lengthen
from bench.capture.origin import write_playlists, write_stream
from bench.jobs import Done

HOUR = 3600
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Archive:
    folder: Path
    seconds: Fraction
    began: Fraction
    size: int


def write(folder: Path, made: Sequence[Rendition], seconds: Fraction, began: Fraction) -> Archive:
    """The stream for an origin."""
    size = lengthen(folder, made, seconds)
    said = []
    for track in made:
        early = Fraction(0) if track.lines else track.early  # what its first segment begins with
        listed = [(str(at - early), str(length)) for _, at, length in track.segments(seconds)]
        own = {"name": track.name, "bitrate": track.bitrate, "lines": track.lines}
        said.append({**own, "segments": listed})
    write_stream(folder, said, float(began))
    write_playlists(folder)
    return Archive(folder, seconds, began, size)


@asynccontextmanager
async def origin(folder: Path) -> AsyncIterator[str]:
    """Its URL, for the length of the block."""
    home = Path(__file__).parents[2]
    command = [sys.executable, "-m", "bench.capture.origin", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=home)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{(await trio.to_thread.run_sync(process.stdout.readline)).strip()}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def costs(done: Done, seconds: float) -> list[tuple[str, str]]:
    hours = seconds / HOUR
    most = sorted(done.watch.largest.items(), key=lambda one: -one[1])[:3]
    largest = ", ".join(f"{name} {_mib(size)}" for name, size in most)
    return [
        ("CPU of the engine and its children for an hour captured", f"{done.cpu / hours:.0f} s"),
        ("memory of the engine at most", _mib(done.watch.engine)),
        ("of all its children together", _mib(done.watch.children)),
        ("of the largest ones", largest),
    ]


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"


def by_task(tasks: dict[str, float]) -> str:
    return ", ".join(f"{name} {length:.1f} s" for name, length in tasks.items() if length)
