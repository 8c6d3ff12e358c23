"""A sample film: every picture carries its number, every whole second a beep."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from taskengine.media.ffmpeg import QUIET
from taskengine.media.tools import Run, Tools, bundled_tools

RATE: Final = 25  # frames a second


async def make_film(
    run: Run, target: Path, seconds: float = 30, *, tools: Tools | None = None, height: int = 360
) -> None:
    """An MP4 with H.264 and two AAC tracks, English and German, which differ in pitch."""
    width = height * 16 // 9 // 2 * 2
    inputs = [_picture(width, height, seconds), _beep(1000, seconds), _beep(600, seconds)]
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


def _picture(width: int, height: int, seconds: float) -> str:
    """The frame number as a bar code of 16 blocks, the lowest bit on the left."""
    bar, block = height // 15 // 2 * 2, width // 16
    bit = f"mod(floor(N/pow(2,floor(X/{block}))),2)"
    size = f"r={RATE}:d={seconds}"
    code = f"color=s={width}x{bar}:{size},format=yuv420p,geq=lum='if({bit},235,16)':cb=128:cr=128"
    return f"testsrc2=s={width}x{height}:{size},format=yuv420p[a];{code}[b];[a][b]overlay"


def _beep(pitch: int, seconds: float) -> str:
    wave = f"0.6*sin(2*PI*{pitch}*t)*lt(mod(t\\,1)\\,0.04)"
    return f"aevalsrc='{wave}|{wave}':s=48000:d={seconds}"
