"""What was delivered: how many pictures and samples, and which."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.capture.film import ffmpeg
from bench.serving import EngineFailed
from taskengine.media.sample import SAMPLES, beginnings, only_code, read_codes
from taskengine.media.tools import bundled_tools

SLACK = 0.001  # seconds between pictures and sound
EDGE = 6  # seconds that are looked at, at either end


def tracks(folder: Path) -> tuple[list[Path], Path]:
    """The files of pictures, the best first, and of sound, of the clear set."""
    files = sorted(folder.glob("*.mp4"))
    pictures = [path for path in files if "_v" in path.name.rpartition("_")[1] + path.stem[-3:]]
    [sound] = [path for path in files if path.stem.endswith("_a1")]
    return pictures, sound


def expect_pictures(path: Path, number: int, first: Sequence[int], last: Sequence[int]) -> None:
    """So many of them, and these at the ends. Raises EngineFailed."""
    said = _probed(path, "-count_packets", "-show_entries", "stream=nb_read_packets")
    found = int(said["streams"][0]["nb_read_packets"])
    begins = numbers(path, "-t", EDGE)[: len(first)]
    ends = numbers(path, "-sseof", -EDGE)[-len(last) :]
    if (found, begins, ends) != (number, list(first), list(last)):
        raise EngineFailed(f"{path.name}: {found} pictures instead of {number}, {begins}, {ends}")


def expect_all(path: Path, wanted: Sequence[int]) -> None:
    """These pictures and no others. Raises EngineFailed."""
    found = numbers(path)
    if found != list(wanted):
        wrong = [n for n, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b]
        raise EngineFailed(f"{path.name}: {len(found)} pictures, wrong from {wrong[:1]} on")


def expect_sound(path: Path, beeps: Sequence[float], start: float = 0.0) -> float:
    """Beeps from a start on at these times; the worst difference. Raises EngineFailed."""
    raw = ffmpeg(
        *("-i", path, "-map", "0:a:0", "-af", f"atrim=start={start}", "-ac", 1, "-ar", SAMPLES),
        *("-f", "s16le", "-"),
    )
    samples = struct.unpack(f"<{len(raw) // 2}h", raw)
    found = [start + at for at in beginnings(samples)]
    if len(found) != len(beeps):
        raise EngineFailed(f"{path.name}: beeps at {found} instead of {list(beeps)}")
    worst = max(abs(a - b) for a, b in zip(found, beeps, strict=True))
    if worst > SLACK:
        raise EngineFailed(f"{path.name}: beeps at {found} instead of {list(beeps)}")
    return worst


def numbers(path: Path, *options: object) -> list[int]:
    """What each picture's bar code says."""
    shape = ("-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-")
    raw = ffmpeg(*options, "-i", path, "-map", "0:v:0", "-vf", only_code("ih/24"), *shape)
    return read_codes(raw)


def _probed(path: Path, *options: str) -> dict[str, list[dict[str, str]]]:
    command = [bundled_tools().ffprobe, "-v", "error", "-select_streams", "v:0", *options]
    ended = subprocess.run([*command, "-of", "json", str(path)], check=True, capture_output=True)
    found: dict[str, list[dict[str, str]]] = json.loads(ended.stdout)
    return found
