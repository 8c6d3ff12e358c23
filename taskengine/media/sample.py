"""A sample film: every picture carries its number, every whole second a beep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from taskengine.media.ffmpeg import QUIET
from taskengine.media.tools import Bench, Run, Tools, bundled_tools

RATE: Final = 25  # frames a second
BITS: Final = 16  # of a frame's number
SAMPLES: Final = 48_000  # a second
LOUD: Final = 3_000  # a sample of a beep, not of what an encoder leaves around it


async def make_film(
    run: Run, target: Path, seconds: float = 30, *, tools: Tools | None = None, height: int = 360
) -> None:
    """An MP4 with H.264 and two AAC tracks, English and German, which differ in pitch."""
    width = height * 16 // 9 // 2 * 2
    inputs = [picture(width, height, seconds), beep(1000, seconds), beep(600, seconds)]
    arguments = [part for graph in inputs for part in ("-f", "lavfi", "-i", graph)]
    await run(
        [
            *((tools or bundled_tools()).ffmpeg, *QUIET, *arguments),
            *("-map", "0:v", "-map", "1:a", "-map", "2:a"),
            *("-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-keyint_min", "50"),
            *("-sc_threshold", "0", "-bf", "3", "-flags", "+cgop", "-c:a", "aac"),
            *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"),
            *("-movflags", "+faststart", "-f", "mp4", f"file:{target}"),
        ]
    )


async def numbers_of(bench: Bench, path: Path, height: int, *options: str) -> list[int]:
    """The number of each picture of a sample of that height; `options` open it."""
    found = bench.folder / "numbers.gray"
    await bench.run(
        [
            *(bench.tools.ffmpeg, *QUIET, *options, "-i", str(path), "-map", "0:v:0"),
            *("-vf", only_code(_bar(height)), "-fps_mode", "passthrough", "-pix_fmt", "gray"),
            *("-f", "rawvideo", f"file:{found}"),
        ]
    )
    return read_codes(await trio.Path(found).read_bytes())


def only_code(rows: int | str) -> str:
    """The filter that leaves of each picture a grey dot for each bit of its number, which is in so
    many rows on top."""
    return f"crop=iw:{rows}:0:0,scale={BITS}:1:flags=area"


def read_codes(raw: bytes) -> list[int]:
    """The numbers of pictures of which that is left."""
    rows = (raw[place : place + BITS] for place in range(0, len(raw), BITS))
    return [sum((level > 125) << bit for bit, level in enumerate(row)) for row in rows]


def picture(width: int, height: int, seconds: float | None = None) -> str:
    """The frame number as a bar code of 16 blocks, the lowest bit on the left; endless without
    `seconds`."""
    bar, block = _bar(height), width // BITS
    bit = f"mod(floor(N/pow(2,floor(X/{block}))),2)"
    size = f"r={RATE}{_lasting(seconds)}"
    code = f"color=s={width}x{bar}:{size},format=yuv420p,geq=lum='if({bit},235,16)':cb=128:cr=128"
    return f"testsrc2=s={width}x{height}:{size},format=yuv420p[a];{code}[b];[a][b]overlay"


def beep(pitch: int, seconds: float | None = None) -> str:
    """40 ms of sound at each whole second; endless without `seconds`."""
    one = wave(pitch)
    return f"aevalsrc='{one}|{one}':s={SAMPLES}{_lasting(seconds)}"


def wave(pitch: int) -> str:
    """Of one channel."""
    return f"0.6*sin(2*PI*{pitch}*t)*lt(mod(t\\,1)\\,0.04)"


def beginnings(samples: Sequence[int]) -> list[float]:
    """Seconds at which a beep begins, of samples of 16 bits."""
    loud = [place for place, value in enumerate(samples) if abs(value) > LOUD]
    pairs = zip([-SAMPLES, *loud], loud, strict=False)
    return [now / SAMPLES for before, now in pairs if now - before > SAMPLES // 50]


def _bar(height: int) -> int:
    """Rows of the bar code."""
    return height // 15 // 2 * 2


def _lasting(seconds: float | None) -> str:
    return "" if seconds is None else f":d={seconds}"
