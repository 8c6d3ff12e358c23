"""How much like its source a rendition is, by the filters that measure it picture by picture."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Final

import trio

from taskengine.media import encoding
from taskengine.media.ffmpeg import OnProgress, ffmpeg, source
from taskengine.media.probe import Media, OutputWrong, ProbedStream
from taskengine.media.tables import read_track
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.model import JsonObject

SAME: Final = 100.0  # dB, of pictures without any difference, whose ratio is infinite


@dataclass(frozen=True, slots=True)
class Metric:
    """A filter that measures, and how values of pictures are read from what it writes."""

    filter: str
    options: str  # `{}` is the file that it writes
    read: Callable[[Path], Iterator[float]]
    unit: str = ""


def _matched(pattern: str) -> Callable[[Path], Iterator[float]]:
    """The number in each line that has one."""

    def read(path: Path) -> Iterator[float]:
        for line in path.read_text().splitlines():
            if found := re.search(pattern, line):
                value = float(found[1])
                yield value if isfinite(value) else SAME

    return read


def _vmaf(path: Path) -> Iterator[float]:
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            yield float(row["vmaf"])


METRICS: Final = {  # all of luminance
    "xpsnr": Metric("xpsnr", "stats_file={}", _matched(r"^n:.* y: *(\S+)"), " dB"),
    "psnr": Metric("psnr", "stats_file={}", _matched(r"^n:.* psnr_y:(\S+)"), " dB"),
    "ssim": Metric("ssim", "stats_file={}", _matched(r"^n:.* Y:(\S+)")),
    "vmaf": Metric("libvmaf", "log_fmt=csv:log_path={}", _vmaf),
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """The mean of all pictures, and that of the worst second, which begins at `second`."""

    mean: float
    worst: float
    second: int

    def to_json(self) -> JsonObject:
        worst = {"value": round(self.worst, 3), "second": self.second}
        return {"mean": round(self.mean, 3), "worst_second": worst}


async def has_filter(bench: Bench, name: str) -> bool:
    """Whether the bench's ffmpeg has a filter."""
    said = await bench.run([bench.tools.ffmpeg, "-hide_banner", "-filters"])
    return any(line.split()[1:2] == [name] for line in said.splitlines())


@dataclass(frozen=True, slots=True)
class Reference:
    """The source that renditions were made of, and the best of them: all are compared at its size,
    as a viewer sees them."""

    path: Path
    media: Media
    stream: ProbedStream
    best: Track


async def measure(
    bench: Bench,
    reference: Reference,
    track: Track,
    name: str,
    on_progress: OnProgress | None = None,
) -> Measurement:
    """Compare a rendition with the pictures that its encoder was given. Raises ProcessFailed."""
    metric, path = METRICS[name], bench.folder / track.file
    told = bench.folder / f"{path.stem}-{name}.txt"
    await ffmpeg(
        bench,
        *source(path, "-copyts"),
        *source(reference.path, "-copyts"),
        *("-filter_complex", _graph(reference, track, metric, told.name)),
        *("-f", "null", "-"),
        duration=track.duration,
        on_progress=on_progress,
        careful=False,
    )
    return await trio.to_thread.run_sync(_read, metric, told, path)


def _graph(reference: Reference, track: Track, metric: Metric, told: str) -> str:
    """Pictures of a rendition come a little later than those of the source, by less than one: each
    meets its own, however its time was rounded."""
    best, stream = reference.best, reference.stream
    size = f"scale={best.width}:{best.height}:flags=bicubic"
    late = 0.25 / (track.frame_rate or 25)
    begun = encoding.PictureRange(reference.media.zero)
    return (
        f"[0:v:0]setpts=PTS+{late:.6f}/TB,{size},format=yuv420p[made];"
        f"[1:{stream.track.stream}]{encoding.prepared(stream, size, begun)}[meant];"
        f"[made][meant]{metric.filter}={metric.options.format(told)}"
    )


def _read(metric: Metric, told: Path, path: Path) -> Measurement:
    """Blocking. Raises OutputWrong."""
    header, samples = read_track(path, 0)
    times = [shown // header.scale for shown in sorted(samples.shown)]
    values = list(metric.read(told))
    if not values:
        raise OutputWrong(f"{metric.filter} compared no pictures")
    return summary(times, values)


def summary(seconds: Sequence[int], values: Sequence[float]) -> Measurement:
    """Of pictures that are shown in these seconds."""
    rows = groupby(zip(seconds, values, strict=False), key=lambda row: row[0])
    worst, second = min((fmean(value for _, value in own), at) for at, own in rows)
    return Measurement(fmean(values), worst, second)
