"""The same work without an engine: command lines, one after the other."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.media.film import RENDITIONS, SMALL
from bench.serving import EngineFailed
from taskengine.media.encoding import CODECS, GROUP, LADDER, limits
from taskengine.media.tools import bundled_tools

Command = Sequence[str]


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of the clock and of processors."""

    wall: float
    cpu: float


def spend(commands: Sequence[Command], folder: Path) -> Spent:
    """Run them in a folder of their own. Blocking. Raises EngineFailed."""
    folder.mkdir()
    began, cpu = time.perf_counter(), 0.0
    for command in commands:
        process = subprocess.Popen(command, cwd=folder)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise EngineFailed(f"{command[0]} ended with {process.returncode}")
        cpu += used.ru_utime + used.ru_stime
    return Spent(time.perf_counter() - began, cpu)


def packaging(source: Path) -> list[Command]:
    """The folder's files as HLS and DASH."""
    pictures = [source / f"film_{lines}.mp4" for lines, _ in RENDITIONS]
    return [_package(pictures, source / "film_en.m4a")]


def encoding(source: Path) -> list[Command]:
    """A ladder of the folder's film, and its sound as it is, as HLS and DASH."""
    film = source / "film.mp4"
    command = [bundled_tools().ffmpeg, "-nostdin", "-v", "error", "-i", str(film)]
    for lines, rate in _rungs():
        scale = f"scale=-2:{lines},format=yuv420p"
        command += ["-map", "0:v:0", "-vf", scale, *CODECS["H264"]]
        command += [*limits("H264", rate), "-force_key_frames", f"expr:gte(t,n_forced*{GROUP})"]
        command += [f"{lines}.mp4"]
    command += ["-map", "0:a:0", "-c", "copy", "sound.m4a"]
    made = [Path(f"{lines}.mp4") for lines, _ in _rungs()]
    return [command, _package(made, Path("sound.m4a"))]


def _rungs() -> list[tuple[int, int]]:
    return [rung for rung in LADDER if rung[0] <= SMALL]


def _package(pictures: Sequence[Path], sound: Path) -> Command:
    tracks = [f"in={path},stream=video,output=v{number}.mp4,playlist_name=v{number}.m3u8"
              for number, path in enumerate(pictures, 1)]  # fmt: skip
    return [
        *(bundled_tools().packager, "--quiet", "--segment_duration", "4"),
        *("--hls_master_playlist_output", "film.m3u8", "--mpd_output", "film.mpd"),
        *tracks,
        f"in={sound},stream=audio,output=a1.mp4,playlist_name=a1.m3u8",
    ]
