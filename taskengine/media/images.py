"""Images and GIFs made of raw pictures: files of RGB, one picture behind the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio
from PIL import Image

from taskengine.media.copying import append
from taskengine.media.ffmpeg import ffmpeg
from taskengine.media.probe import OutputWrong
from taskengine.media.tools import Bench

FORMATS: Final = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
QUALITY: Final = 95  # of 100, where a format loses something
SHEET_QUALITY: Final = 80
COLOURS: Final = 3  # bytes of a pixel


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a picture in pixels."""

    width: int
    height: int

    @property
    def size(self) -> int:
        """Bytes of a raw picture."""
        return self.width * self.height * COLOURS

    def number(self, raw: Path) -> int:
        """How many pictures are in a file of them."""
        return raw.stat().st_size // self.size

    def fitting(self, width: int, height: int) -> Shape:
        """The same proportions at a width or a height, in pixels; -1 for what follows."""
        if width < 0:
            return Shape(max(1, round(self.width * height / self.height)), height)
        return Shape(
            width, height if height > 0 else max(1, round(self.height * width / self.width))
        )


async def write_image(raw: Path, shape: Shape, target: Path) -> None:
    """The first picture of a file as an image, in the format that its name says. Raises
    OutputWrong for a file without a whole one."""
    await trio.to_thread.run_sync(_write_image, raw, shape, target)


def _write_image(raw: Path, shape: Shape, target: Path) -> None:
    with raw.open("rb") as file:
        data = file.read(shape.size)
    if len(data) < shape.size:
        raise OutputWrong(f"{target.name}: the picture cannot be decoded")
    image = Image.frombytes("RGB", (shape.width, shape.height), data)
    image.save(target, FORMATS[target.suffix.lower()], quality=QUALITY)


async def write_gif(
    bench: Bench, raw: Path, shape: Shape, rate: float, target: Path, *, repetitions: int = 0
) -> None:
    """All pictures as a GIF with one palette; 0 repetitions are endless."""
    pictures = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size"]
    pictures += [f"{shape.width}x{shape.height}", "-framerate", f"{rate:.6f}", "-i", f"file:{raw}"]
    palette = bench.folder / "palette.raw"
    made = ["-vf", "palettegen=stats_mode=diff", "-frames:v", "1", "-f", "rawvideo"]
    await ffmpeg(bench, *pictures, *made, "-pix_fmt", "bgra", f"file:{palette}")
    colours = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "bgra",
        "-video_size",
        "16x16",
        "-i",
        f"file:{palette}",
    ]
    use = "[0:v][1:v]paletteuse=dither=sierra2_4a:diff_mode=rectangle"
    shown = ["-fps_mode", "passthrough", "-loop", str(repetitions), "-f", "gif"]
    await ffmpeg(bench, *pictures, *colours, "-filter_complex", use, *shown, f"file:{target}")


def backwards(raw: Path, shape: Shape, target: Path) -> None:
    """The pictures in the opposite order. Blocking."""
    with raw.open("rb") as given, target.open("wb") as made:
        for number in reversed(range(shape.number(raw))):
            append(given, number * shape.size, shape.size, made)


def write_sheet(raw: Path, shape: Shape, columns: int, target: Path) -> None:
    """All pictures as one JPEG, in rows. Blocking."""
    number = shape.number(raw)
    rows = -(-number // columns)
    sheet = Image.new("RGB", (columns * shape.width, rows * shape.height))
    with raw.open("rb") as file:
        for place in range(number):
            size = (shape.width, shape.height)
            picture = Image.frombytes("RGB", size, file.read(shape.size))
            at = (place % columns * shape.width, place // columns * shape.height)
            sheet.paste(picture, at)
    sheet.save(target, "JPEG", quality=SHEET_QUALITY)
