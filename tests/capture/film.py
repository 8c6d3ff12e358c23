"""Streams whose pictures say their number and whose sound beeps at each second; and a reader."""

from __future__ import annotations

import json
import struct
import subprocess
from bisect import bisect_right
from fractions import Fraction
from pathlib import Path

from taskengine.capture.model import Fetched, Resource, Segment
from taskengine.media.boxes import boxes
from taskengine.media.sample import BITS, SAMPLES, beginnings, only_code, read_codes, wave
from taskengine.media.tools import bundled_tools

WIDTH, HEIGHT = 320, 192
ROWS = 24  # of the bar code, on top
BIT = f"mod(floor(N/pow(2,floor(X/{WIDTH // BITS}))),2)"
BAR = f"geq=lum='if({BIT},235,16)':cb=128:cr=128"  # slow: on its own rows alone


def drawn(rate, seconds) -> str:
    """A source of ffmpeg: pictures below a bar code of their number."""
    size, length = f"s={WIDTH}x", f"r={rate}:d={seconds},format=yuv420p"
    return (
        f"testsrc2={size}{HEIGHT - ROWS}:{length}[picture];"
        f"color={size}{ROWS}:{length},{BAR}[bar];[bar][picture]vstack"
    )


BEEP = wave(1000)


def run(*command) -> bytes:
    return subprocess.run([str(one) for one in command], check=True, capture_output=True).stdout


def ffmpeg(*arguments) -> bytes:
    return run(bundled_tools().ffmpeg, "-nostdin", "-loglevel", "error", "-y", *arguments)


def make_pictures(
    folder: Path,
    seconds,
    rate="25",
    gop=50,
    codec="libx264",
    open_gop=False,
    bitrate="500k",
    options=(),
):
    """CMAF segments of a group of pictures each, and their initialization; their number."""
    params = f"open-gop={int(open_gop)}:scenecut=0" + (":log-level=error" if "5" in codec else "")
    return make_segments(
        folder,
        *("-f", "lavfi", "-i", drawn(rate, seconds)),
        *("-c:v", codec, "-preset", "veryfast", "-b:v", bitrate, "-g", gop, "-keyint_min", gop),
        *("-bf", "3", "-flags", "-cgop" if open_gop else "+cgop", f"-{codec[3:]}-params", params),
        *options,
        *("-movflags", "frag_keyframe+empty_moov+delay_moov+default_base_moof"),
    )


def make_sound(folder: Path, seconds, length=2, rate=48000):
    """Segments of about so many seconds."""
    return make_segments(
        folder,
        *("-f", "lavfi", "-i", f"aevalsrc='{BEEP}|{BEEP}':s={rate}:d={seconds}"),
        *("-c:a", "aac", "-b:a", "96k", "-frag_duration", length * 1_000_000),
        *("-movflags", "empty_moov+delay_moov+default_base_moof"),
    )


def make_segments(folder: Path, *arguments) -> int:
    """A fragmented file, parted into `init.mp4`, `0.m4s`, `1.m4s`, …"""
    folder.mkdir(parents=True)
    whole = folder / "whole.mp4"
    ffmpeg(*arguments, whole)
    data = whole.read_bytes()
    moofs = [start - 8 for kind, start, _ in boxes(data) if kind == b"moof"]
    ends = [
        *moofs[1:],
        next((start - 8 for kind, start, _ in boxes(data) if kind == b"mfra"), len(data)),
    ]
    (folder / "init.mp4").write_bytes(data[: moofs[0]])
    for number, (start, end) in enumerate(zip(moofs, ends, strict=True)):
        (folder / f"{number}.m4s").write_bytes(data[start:end])
    whole.unlink()
    return len(moofs)


def key_times(folder: Path) -> list[Fraction]:
    """When each segment's keyframe is shown, seconds after the first one."""
    times = [time for time, is_key in packets(_whole(folder)) if is_key]
    return [time - times[0] for time in times]


def first_times(folder: Path) -> list[Fraction]:
    """When the first packet of each segment begins, seconds in the file."""
    places = [0]
    for path in _parts(folder):
        places.append(places[-1] + path.stat().st_size)
    said = _said(_whole(folder), "a:0", "packet=pts,pos:stream=time_base")
    base = Fraction(said["streams"][0]["time_base"])
    found: dict[int, Fraction] = {}
    for one in said["packets"]:
        found.setdefault(bisect_right(places, int(one["pos"])), int(one["pts"]) * base)
    return [found[place] for place in sorted(found)]


def _whole(folder: Path) -> Path:
    whole = folder / "all.mp4"
    whole.write_bytes(b"".join(path.read_bytes() for path in _parts(folder)))
    return whole


def _parts(folder: Path) -> list[Path]:
    names = sorted(folder.glob("*.m4s"), key=lambda path: int(path.stem))
    return [folder / "init.mp4", *names]


def as_fetched(folder: Path, starts, length, track="video-1", zero=Fraction(0), leave=()):
    """The segments of a folder as a recording lists them; `length` is the last one's."""
    found = []
    ends = [*starts[1:], starts[-1] + length]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        at, length = zero + start, end - start
        if number not in leave:
            segment = Segment(
                number, at, length, Resource("u"), None, "r", "mp4", None, stated=True
            )
            file = f"{folder.name}/{number}.m4s"
            found.append(Fetched(track, 0, segment, file, f"{folder.name}/init.mp4"))
    return found


def beeps(path, *options) -> list[float]:
    """Seconds at which a beep begins, of what is decoded."""
    shape = ("-ac", "1", "-ar", SAMPLES, "-f", "s16le", "-")
    raw = ffmpeg(*options, "-i", path, "-map", "0:a:0", *shape)
    return beginnings(struct.unpack(f"<{len(raw) // 2}h", raw))


def numbers(path: Path, stream="0:v:0") -> list[int]:
    """The number of each picture, read from its bar code."""
    shape = ("-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-")
    return read_codes(ffmpeg("-i", path, "-map", stream, "-vf", only_code(ROWS // 2), *shape))


def packet_times(path: Path, stream="v:0") -> list[Fraction]:
    return [time for time, _ in packets(path, stream)]


def packets(path: Path, stream="v:0") -> list[tuple[Fraction, bool]]:
    """When each is shown, in this order, and whether it is a keyframe."""
    said = _said(path, stream, "packet=pts,flags:stream=time_base")
    base = Fraction(said["streams"][0]["time_base"])
    return sorted((int(one["pts"]) * base, "K" in one["flags"]) for one in said["packets"])


def _said(path: Path, stream: str, shown: str) -> dict:
    probe = (bundled_tools().ffprobe, "-v", "error", "-select_streams", stream, "-of", "json")
    return json.loads(run(*probe, "-show_entries", shown, path))
