"""Films of ready-made renditions: copies of a short one behind one another, as long as wanted."""

from __future__ import annotations

from pathlib import Path

from bench.capture.film import ffmpeg
from taskengine.media.sample import beep

LOOP = 20  # seconds
RATE = 25
RENDITIONS = ((1080, 2000), (720, 1000), (360, 400))  # lines, kbit/s
SMALL = 240  # lines of the film that is encoded


def make_renditions(folder: Path, seconds: int) -> None:
    """Files of pictures and one of sound, as a folder of sources has them; `seconds` are whole
    loops."""
    folder.mkdir(parents=True)
    for lines, rate in RENDITIONS:
        _lengthen(_loop(folder.parent, lines, rate), folder / f"film_{lines}.mp4", seconds)
    _make_sound(folder / "film_en.m4a", seconds)


def make_source(folder: Path, seconds: int) -> None:
    """One small file of pictures and sound, to be encoded."""
    folder.mkdir(parents=True)
    pictures, sound = folder.parent / "small.mp4", folder.parent / "small.m4a"
    _lengthen(_loop(folder.parent, SMALL, 800), pictures, seconds)
    _make_sound(sound, seconds)
    ffmpeg(*("-i", pictures, "-i", sound, "-c", "copy", "-movflags", "+faststart"),
           folder / "film.mp4")  # fmt: skip
    pictures.unlink()
    sound.unlink()


def _loop(folder: Path, lines: int, rate: int) -> Path:
    made = folder / f"loop_{lines}.mp4"
    if not made.exists():
        shown = f"testsrc2=s={lines * 16 // 9 // 2 * 2}x{lines}:r={RATE}:d={LOOP},format=yuv420p"
        ffmpeg(
            *("-f", "lavfi", "-i", shown, "-c:v", "libx264", "-preset", "veryfast"),
            *("-b:v", f"{rate}k", "-maxrate", f"{rate}k", "-bufsize", f"{rate}k"),
            *("-g", 2 * RATE, "-keyint_min", 2 * RATE, "-sc_threshold", 0, "-flags", "+cgop", made),
        )
    return made


def _lengthen(loop: Path, target: Path, seconds: int) -> None:
    again = ("-stream_loop", seconds // LOOP - 1)
    ffmpeg(*again, "-i", loop, "-c", "copy", "-movflags", "+faststart", target)


def _make_sound(target: Path, seconds: int) -> None:
    ffmpeg("-f", "lavfi", "-i", beep(1000, seconds), "-c:a", "aac", "-b:a", "128k", target)
