"""That two results hold the same: tracks, pictures, packets of sound, bytes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.media.film import RATE
from bench.serving import EngineFailed
from taskengine.media.tools import bundled_tools

ALIKE = 0.02  # of the bytes: names and dates differ, encoders that run side by side do too

Counts = Mapping[str, int]  # packets, by track: v1, a1


def expect_same(bare: Path, made: Path, seconds: int) -> None:
    """Raises EngineFailed. Blocking."""
    alone, found = _tracks(bare), _tracks(made)
    packets = {name: _packets(path) for name, path in alone.items()}
    if packets.get("v1") != seconds * RATE:
        raise EngineFailed(f"{bare.name}: {packets} packets in {seconds} s")
    other = {name: _packets(path) for name, path in found.items()}
    if other != packets:
        raise EngineFailed(f"{made.name}: {other} packets instead of {packets}")
    sizes = [sum(path.stat().st_size for path in one.values()) for one in (alone, found)]
    if abs(sizes[0] - sizes[1]) > ALIKE * sizes[0]:
        raise EngineFailed(f"{made.name}: {sizes[1]} bytes instead of {sizes[0]}")


def _tracks(folder: Path) -> dict[str, Path]:
    """Files of media by the end of their names, without what they were made from."""
    found = {path.stem.rpartition("_")[2]: path for path in sorted(folder.glob("*.mp4"))}
    return {name: path for name, path in found.items() if name[0] in "va"}


def _packets(path: Path) -> int:
    command = [bundled_tools().ffprobe, "-v", "error", "-count_packets"]
    command += ["-show_entries", "stream=nb_read_packets", "-of", "json", str(path)]
    ended = subprocess.run(command, check=True, capture_output=True)
    return int(json.loads(ended.stdout)["streams"][0]["nb_read_packets"])
