"""How images of thumbnails are laid out, as manifests say it: `EXT-X-TILES` of HLS (Roku's image
media playlists), the property `thumbnail_tile` of DASH (DASH-IF Interoperability Points, 6.2.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from taskengine.capture.model import TileLayout, Time
from taskengine.capture.sources.hls_tags import seconds

MOST: Final = 100  # tiles in a row, and rows
GRID: Final = re.compile(r"\s*(\d{1,3})\s*x\s*(\d{1,3})\s*")  # columns x rows
ALONE: Final = (1, 1)


def read_grid(text: str) -> tuple[int, int]:
    """Columns and rows, of `5x5`; an image is one thumbnail where that is none."""
    found = GRID.fullmatch(text)
    columns, rows = (int(found[1]), int(found[2])) if found else ALONE
    return (columns, rows) if 0 < columns <= MOST and 0 < rows <= MOST else ALONE


def even_layout(grid: tuple[int, int], lasts: Time) -> TileLayout:
    """Of an image that is shown for so many seconds, each tile for a part of them."""
    columns, rows = grid
    return TileLayout(columns, rows, lasts / (columns * rows))


def stated_layout(said: Mapping[str, str], lasts: Time) -> TileLayout:
    """By the attributes of EXT-X-TILES; one thumbnail without any. Raises SourceRefused."""
    layout = even_layout(read_grid(said.get("LAYOUT", "")), lasts)
    interval = seconds(said["DURATION"]) if "DURATION" in said else None
    return TileLayout(layout.columns, layout.rows, interval) if interval else layout
