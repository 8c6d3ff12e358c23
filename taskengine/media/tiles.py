"""A track of thumbnails for trickplay: images of tiles, named by MPDs and by an HLS image playlist.

DASH-IF Interoperability Points, 6.2.6; Roku's image media playlists for HLS.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskengine.media.ffmpeg import ffmpeg, source
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.model import PermanentFailure

SIDE: Final = 4096  # pixels of an image at most: decoders refuse larger ones
TILES: Final = 5  # in a row, and rows, at most
MOST: Final = 20_000  # thumbnails of an asset
BEST, WORST = 2, 31  # quality as the encoder counts it
TICKS: Final = 1000  # a second, in MPDs
IMAGES: Final = "#EXT-X-IMAGE-STREAM-INF:"


@dataclass(frozen=True, slots=True)
class TileOptions:
    """`size` is the long edge in pixels, 0 for that of the video; `interval` is in seconds;
    `quality` goes from 1 to 100."""

    size: int = 0
    interval: float = 10
    quality: int = 30


@dataclass(frozen=True, slots=True)
class Tiles:
    """What was made: images `<stem>_<number>.jpg`, numbered from 1."""

    stem: str
    width: int  # pixels of a thumbnail
    height: int
    columns: int
    rows: int
    interval: float  # seconds
    duration: float  # seconds in all
    images: int
    bandwidth: int  # bits a second, of the largest image

    @property
    def span(self) -> float:
        """Seconds of an image."""
        return self.interval * self.columns * self.rows


async def make_tiles(
    bench: Bench, track: Track, options: TileOptions, folder: Path, stem: str
) -> Tiles:
    """The images, of the keyframes of a video."""
    interval = max(options.interval, track.duration / MOST)
    count = max(1, math.ceil(round(track.duration / interval, 6)))
    width, height = _size(track, options.size)
    columns, rows = (max(1, min(TILES, SIDE // edge)) for edge in (width, height))
    images = math.ceil(count / (columns * rows))
    chain = (
        f"setpts=PTS-STARTPTS,tpad=stop_mode=clone:stop_duration={interval + 10:g},"
        f"fps=1/{interval:.6f}:start_time=0:round=up,trim=end_frame={count},"
        f"scale={width}:{height},tile={columns}x{rows}"
    )
    quality = round(WORST - (options.quality - 1) * (WORST - BEST) / 99)
    await ffmpeg(
        bench,
        *source(bench.folder / track.file, "-skip_frame", "nokey"),
        *("-map", f"0:{track.stream}", "-vf", chain, "-frames:v", str(images)),
        *("-q:v", str(quality), "-f", "image2", f"file:{folder / stem}_%d.jpg"),
    )
    span = interval * columns * rows
    largest = max((folder / f"{stem}_{n}.jpg").stat().st_size for n in range(1, images + 1))
    bandwidth = math.ceil(8 * largest / min(span, track.duration or span))
    return Tiles(stem, width, height, columns, rows, interval, track.duration, images, bandwidth)


def large_enough(tracks: Sequence[Track], size: int) -> Track:
    """The smallest video with a long edge of so many pixels, else the best; 0: the best. Raises
    PermanentFailure without any."""
    videos = [track for track in tracks if track.type == "video"]
    if not videos:
        raise PermanentFailure("trickplay_thumbnails: there is no video to take pictures of")
    fitting = [track for track in videos if max(track.width, track.height) >= size > 0]
    return fitting[-1] if fitting else videos[0]


def _size(track: Track, wanted: int) -> tuple[int, int]:
    """Width and height of a thumbnail, both even."""
    edge = max(track.width, track.height)
    scale = min(wanted or edge, SIDE) / edge
    return max(2, round(track.width * scale / 2) * 2), max(2, round(track.height * scale / 2) * 2)


@dataclass(frozen=True, slots=True)
class TileEntries:
    """What manifests say of a track of thumbnails: a set of an MPD, a line of a master playlist."""

    adaptation: str
    line: str


def shown(tiles: Tiles) -> TileEntries:
    """What is said of those that were made."""
    duration = round(tiles.span * TICKS)
    width, height = tiles.width * tiles.columns, tiles.height * tiles.rows
    adaptation = f"""    <AdaptationSet contentType="image" mimeType="image/jpeg">
      <SegmentTemplate media="{tiles.stem}_$Number$.jpg" timescale="{TICKS}" duration="{duration}" startNumber="1"/>
      <Representation id="tiles" bandwidth="{tiles.bandwidth}" width="{width}" height="{height}">
        <EssentialProperty schemeIdUri="http://dashif.org/guidelines/thumbnail_tile" value="{tiles.columns}x{tiles.rows}"/>
      </Representation>
    </AdaptationSet>
"""  # noqa: E501
    size = f"RESOLUTION={tiles.width}x{tiles.height}"
    rates = f'BANDWIDTH={tiles.bandwidth},{size},CODECS="jpeg"'
    return TileEntries(adaptation, f'{IMAGES}{rates},URI="{tiles.stem}.m3u8"')


def read_shown(mpd: str, master: str) -> TileEntries | None:
    """What the manifests of a set say of thumbnails, which are the same for any set; None: there
    are none."""
    adaptation = re.search(
        r' *<AdaptationSet contentType="image".*?</AdaptationSet>\n', mpd, re.DOTALL
    )
    line = next((one for one in master.splitlines() if one.startswith(IMAGES)), None)
    return TileEntries(adaptation[0], line) if adaptation and line else None


def in_mpd(text: str, tiles: TileEntries) -> str:
    """The MPD with a set of images at the end of its period."""
    before, mark, after = text.rpartition("  </Period>")
    return f"{before}{tiles.adaptation}{mark}{after}"


def in_master(text: str, tiles: TileEntries) -> str:
    """The HLS master playlist with the image playlist."""
    return f"{text.rstrip()}\n\n{tiles.line}\n"


def playlist(tiles: Tiles) -> str:
    """The image playlist itself."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{math.ceil(tiles.span)}"]
    lines += ["#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-IMAGES-ONLY"]
    layout = f"LAYOUT={tiles.columns}x{tiles.rows}"
    for number in range(tiles.images):
        lasts = min(tiles.span, tiles.duration - number * tiles.span)
        shown = f"RESOLUTION={tiles.width}x{tiles.height},{layout},DURATION={tiles.interval:g}"
        lines += [f"#EXTINF:{lasts:.3f},", f"#EXT-X-TILES:{shown}"]
        lines.append(f"{tiles.stem}_{number + 1}.jpg")
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])
