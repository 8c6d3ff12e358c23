"""A track of thumbnails for trickplay: images of tiles, named by MPDs and by an HLS image playlist.

DASH-IF Interoperability Points, 6.2.6; Roku's image media playlists for HLS.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from taskengine.media.ffmpeg import ffmpeg, source
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.model import JsonObject, PermanentFailure

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
    """What was made: images `<stem>_<number>.<suffix>`, numbered from 1."""

    stem: str
    width: int  # pixels of a thumbnail
    height: int
    columns: int
    rows: int
    interval: float  # seconds
    duration: float  # seconds in all
    images: int
    bandwidth: int  # bits a second, of the largest image
    suffix: str = "jpg"

    @property
    def span(self) -> float:
        """Seconds of an image."""
        return self.interval * self.columns * self.rows

    @property
    def codec(self) -> str:
        return "png" if self.suffix == "png" else "jpeg"

    def file(self, number: int) -> str:
        return f"{self.stem}_{number}.{self.suffix}"

    @property
    def files(self) -> list[str]:
        """The names of all images, in their order."""
        return [self.file(number) for number in range(1, self.images + 1)]

    def to_json(self) -> JsonObject:
        """For Tiles(**…) to read."""
        return asdict(self)


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
    made = Tiles(stem, width, height, columns, rows, interval, track.duration, images, 0)
    return with_bandwidth(made, folder)


def with_bandwidth(tiles: Tiles, folder: Path) -> Tiles:
    """As its largest image in a folder has it. Blocking."""
    largest = max((folder / file).stat().st_size for file in tiles.files)
    lasts = min(tiles.span, tiles.duration or tiles.span)
    return replace(tiles, bandwidth=math.ceil(8 * largest / lasts))


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
    """What manifests say of tracks of thumbnails: sets of an MPD, lines of a master playlist."""

    adaptations: str
    lines: str


def shown(tiles: Tiles, name: str = "tiles") -> TileEntries:
    """What is said of those that were made; `name` is that of the representation."""
    duration = round(tiles.span * TICKS)
    width, height = tiles.width * tiles.columns, tiles.height * tiles.rows
    adaptation = f"""    <AdaptationSet contentType="image" mimeType="image/{tiles.codec}">
      <SegmentTemplate media="{tiles.stem}_$Number$.{tiles.suffix}" timescale="{TICKS}" duration="{duration}" startNumber="1"/>
      <Representation id="{name}" bandwidth="{tiles.bandwidth}" width="{width}" height="{height}">
        <EssentialProperty schemeIdUri="http://dashif.org/guidelines/thumbnail_tile" value="{tiles.columns}x{tiles.rows}"/>
      </Representation>
    </AdaptationSet>
"""  # noqa: E501
    size = f"RESOLUTION={tiles.width}x{tiles.height}"
    rates = f'BANDWIDTH={tiles.bandwidth},{size},CODECS="{tiles.codec}"'
    return TileEntries(adaptation, f'{IMAGES}{rates},URI="{tiles.stem}.m3u8"')


def read_shown(mpd: str, master: str) -> TileEntries | None:
    """What the manifests of a set say of thumbnails, which are the same for any set; None: there
    are none."""
    found = re.findall(r' *<AdaptationSet contentType="image".*?</AdaptationSet>\n', mpd, re.DOTALL)
    lines = [one for one in master.splitlines() if one.startswith(IMAGES)]
    return TileEntries("".join(found), "\n".join(lines)) if found and lines else None


def joined(entries: Sequence[TileEntries]) -> TileEntries:
    """Several tracks as one."""
    adaptations = "".join(one.adaptations for one in entries)
    return TileEntries(adaptations, "\n".join(one.lines for one in entries))


def in_mpd(text: str, tiles: TileEntries) -> str:
    """The MPD with a set of images at the end of its period."""
    before, mark, after = text.rpartition("  </Period>")
    return f"{before}{tiles.adaptations}{mark}{after}"


def in_master(text: str, tiles: TileEntries) -> str:
    """The HLS master playlist with the image playlist."""
    return f"{text.rstrip()}\n\n{tiles.lines}\n"


def playlist(tiles: Tiles) -> str:
    """The image playlist itself."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{math.ceil(tiles.span)}"]
    lines += ["#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-IMAGES-ONLY"]
    layout = f"LAYOUT={tiles.columns}x{tiles.rows}"
    for number in range(tiles.images):
        lasts = min(tiles.span, tiles.duration - number * tiles.span)
        shown = f"RESOLUTION={tiles.width}x{tiles.height},{layout},DURATION={tiles.interval:g}"
        lines += [f"#EXTINF:{lasts:.3f},", f"#EXT-X-TILES:{shown}"]
        lines.append(tiles.file(number + 1))
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])
