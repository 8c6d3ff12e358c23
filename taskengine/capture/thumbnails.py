"""Thumbnails of a clip: images of tiles, cut to what is shown.

Players compute where a thumbnail is from its time alone: all images of a track have one layout and
one interval, and the first tile is that of the beginning. Images of the source that fit are copied
as they are; of others the tiles are laid out anew, coded by the tables of the source's own encoder.
"""

from __future__ import annotations

import math
import shutil
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import trio
from PIL import Image, JpegImagePlugin

from taskengine.capture.model import Fetched, SourceRefused, TileLayout, Time
from taskengine.capture.pieces import Span
from taskengine.media.tiles import Tiles, with_bandwidth

FORMATS: Final = {"JPEG": "jpg", "PNG": "png"}  # and the suffix of their files
MAX_PIXELS: Final = 1 << 24  # of an image
SLACK: Final = Fraction(1, 50)  # seconds: manifests round
GRAIN: Final = 1000  # intervals in a second: manifests state them to the millisecond
MOST: Final = 20_000  # thumbnails of a result


@dataclass(frozen=True, slots=True)
class Tile:
    """A thumbnail in an image of a source: which one of how many."""

    image: Path
    layout: TileLayout
    place: int
    number: int


@dataclass(frozen=True)
class ClipImages:
    """The images that were recorded of a clip, by their starts, their files, and what is shown."""

    segments: Sequence[Fetched]
    files: Sequence[Path]
    spans: Sequence[Span]

    def tile(self, at: Time) -> Tile | None:
        """The one of a time of the timeline; None: no image has that."""
        place = bisect_right(self.segments, at + SLACK, key=lambda one: one.start) - 1
        if place < 0 or at >= self.segments[place].end:
            return None
        one, layout = self.segments[place], self.segments[place].segment.tiles
        if layout is None:
            return None
        number = max(1, min(layout.number, math.ceil(one.segment.duration / layout.interval)))
        passed = int((at + SLACK - one.start) / layout.interval)
        return Tile(self.files[place], layout, min(passed, number - 1), number)


def length_of(clips: Sequence[ClipImages]) -> Time:
    """Seconds of the result."""
    return sum((span.length for clip in clips for span in clip.spans), Fraction(0))


def layout_of(clips: Sequence[ClipImages]) -> TileLayout:
    """That of the result: as the first image has it that is shown. Raises SourceRefused."""
    length = length_of(clips)
    shown = (clip.tile(span.start) for clip in clips for span in clip.spans)
    anything = (one.segment.tiles for clip in clips for one in clip.segments)
    first = next((tile.layout for tile in shown if tile), None) or next(anything, None)
    if first is None or length <= 0:
        raise SourceRefused("there is no image of its range")
    interval = max(first.interval, length / MOST)
    return TileLayout(first.columns, first.rows, Fraction(math.ceil(interval * GRAIN), GRAIN))


def tiles(clips: Sequence[ClipImages], interval: Time) -> list[Tile | None]:
    """Those of the result: at each interval the one that is shown then."""
    found: list[Tile | None] = []
    begin = Fraction(0)
    for clip in clips:
        for span in clip.spans:
            while (at := len(found) * interval) < begin + span.length:
                found.append(clip.tile(span.start + at - begin))
            begin += span.length
    return found


@dataclass(slots=True)
class TileImages:
    """Writes images of a layout, like those of a source. Blocking."""

    layout: TileLayout
    format: str = ""  # that of the first image, and
    width: int = 0  # pixels of one of its thumbnails
    height: int = 0
    unreadable: set[Path] = field(default_factory=set)
    _options: dict[str, Any] = field(default_factory=dict)  # for an encoder
    _opened: tuple[Path, Image.Image] | None = None

    def look(self, given: Sequence[Tile | None]) -> None:
        """What the images are like. Raises SourceRefused if none of them can be read."""
        for tile in given:
            if tile is not None and (image := self._image(tile.image)) is not None:
                width, height = _tile_size(image, tile.layout)
                if width and height:
                    self.width, self.height = width, height
                    return
        raise SourceRefused("there is no image of its range that can be read")

    def parts(self, given: Sequence[Tile | None]) -> Iterator[Sequence[Tile | None]]:
        """The thumbnails of one image after the other."""
        for first in range(0, len(given), self.layout.number):
            yield given[first : first + self.layout.number]

    def write(self, part: Sequence[Tile | None], target: Path) -> None:
        """An image of these thumbnails: the source's own, where that can be taken."""
        if self._fits(part):
            assert part[0] is not None
            shutil.copyfile(part[0].image, target)
            return
        size = self.width * self.layout.columns, self.height * self.layout.rows
        made = Image.new("RGB", size)
        for place, tile in enumerate(part):
            if tile is not None and (shown := self._thumbnail(tile)) is not None:
                row, column = divmod(place, self.layout.columns)
                made.paste(shown, (column * self.width, row * self.height))
        made.save(target, self.format, **self._options)

    def _fits(self, part: Sequence[Tile | None]) -> bool:
        """These are all thumbnails of one image, in their order."""
        first = part[0]
        if first is None or first.number != len(part):
            return False
        if [tile and (tile.image, tile.place) for tile in part] != [
            (first.image, place) for place in range(len(part))
        ]:
            return False
        image, own = self._image(first.image), (first.layout.columns, first.layout.rows)
        return (
            image is not None
            and own == (self.layout.columns, self.layout.rows)
            and image.format == self.format
            and image.size == (self.width * own[0], self.height * own[1])
        )

    def _thumbnail(self, tile: Tile) -> Image.Image | None:
        image = self._image(tile.image)
        if image is None:
            return None
        width, height = _tile_size(image, tile.layout)
        row, column = divmod(tile.place, tile.layout.columns)
        left, top = column * width, row * height
        shown = image.crop((left, top, left + width, top + height)).convert("RGB")
        size = self.width, self.height
        return shown if shown.size == size else shown.resize(size)

    def _image(self, path: Path) -> Image.Image | None:
        """Decoded; the next thumbnail is mostly of the same one."""
        if path in self.unreadable:
            return None
        if self._opened is None or self._opened[0] != path:
            self._opened = None
            try:
                self._opened = path, self._decoded(path)
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                self.unreadable.add(path)
                return None
        return self._opened[1]

    def _decoded(self, path: Path) -> Image.Image:
        with path.open("rb") as file:
            image = Image.open(file, formats=tuple(FORMATS))
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"an image of more than {MAX_PIXELS} pixels")
            image.load()
        if not self.format:
            self.format, self._options = image.format or "", _options(image)
        return image


def _tile_size(image: Image.Image, layout: TileLayout) -> tuple[int, int]:
    """Pixels, across and down."""
    return image.width // layout.columns, image.height // layout.rows


def _options(image: Image.Image) -> dict[str, Any]:
    """What makes an encoder lose next to nothing of what was encoded like this before."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode != "RGB":
        return {}
    sampling = JpegImagePlugin.get_sampling(image)
    tables = image.quantization
    return {"qtables": tables, **({"subsampling": sampling} if sampling >= 0 else {})}


async def made_images(
    clips: Sequence[ClipImages], folder: Path, stem: str, warn: Callable[[str], Awaitable[None]]
) -> Tiles:
    """The images of a result, in a folder. Raises SourceRefused if there are none."""
    layout = layout_of(clips)
    given = tiles(clips, layout.interval)
    images = TileImages(layout)
    await trio.to_thread.run_sync(images.look, given)
    made = Tiles(
        stem,
        images.width,
        images.height,
        layout.columns,
        layout.rows,
        float(layout.interval),
        float(length_of(clips)),
        -(-len(given) // layout.number),
        0,
        FORMATS[images.format],
    )
    for file, part in zip(made.files, images.parts(given), strict=True):
        await trio.to_thread.run_sync(images.write, part, folder / file)
    black = sum(tile is None or tile.image in images.unreadable for tile in given)
    if black:
        why = "no source had them, or they cannot be read"
        await warn(f"{stem}: {black} of {len(given)} thumbnails are black: {why}")
    return await trio.to_thread.run_sync(with_bandwidth, made, folder)
