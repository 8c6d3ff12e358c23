"""A live stream, made on the spot: an encoder that goes on in real time, in two-second segments."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import trio

from taskengine.media.ffmpeg import QUIET
from taskengine.media.sample import RATE, beep, picture
from taskengine.media.tools import bundled_tools
from taskengine.runtime.process import run_process

MASTER, PICTURES = "master.m3u8", "v.m3u8"
WIDTH, HEIGHT = 320, 180
SEGMENT: Final = 2  # seconds
WINDOW: Final = 30  # segments that are offered
PAST: Final = 3  # segments of a capture that are there when it is ordered
LATER: Final = timedelta(seconds=13 / RATE)  # its begin in a segment: no keyframe is there
LOOK: Final = 0.1  # seconds between two looks at what there is
_STARTED: Final = re.compile(r"^#EXT-X-PROGRAM-DATE-TIME:(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LiveStream:
    """Playlists and segments in a folder, of which the oldest are removed."""

    folder: Path

    async def stretch(self, seconds: float) -> tuple[datetime, datetime]:
        """Start and end of a range that has begun; waits for the first segment, at the start."""
        while not (times := self.times()):  # noqa: ASYNC110 - files wake no task
            await trio.sleep(LOOK)
        start = times[-PAST:][0] + LATER
        return start, start + timedelta(seconds=seconds)

    def times(self) -> list[datetime]:
        """When each segment that is offered was taken."""
        try:
            text = (self.folder / PICTURES).read_text()
        except FileNotFoundError:
            return []
        return [datetime.fromisoformat(found) for found in _STARTED.findall(text)]


@asynccontextmanager
async def running_stream(folder: Path) -> AsyncIterator[LiveStream]:
    """Encode into the folder for the length of the block."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(run_process, _command(), cwd=folder))
        yield LiveStream(folder)
        nursery.cancel_scope.cancel()


def _command() -> list[str]:
    inputs = [picture(WIDTH, HEIGHT), beep(1000)]
    hls = {
        "hls_time": f"{SEGMENT}",
        "hls_list_size": f"{WINDOW}",
        "hls_flags": "delete_segments+program_date_time+independent_segments+temp_file",
        "hls_segment_type": "fmp4",
        "var_stream_map": "v:0,agroup:a,name:v a:0,agroup:a,language:en,default:yes,name:a",
        "master_pl_name": MASTER,
        "hls_fmp4_init_filename": "init_%v.mp4",
        "hls_segment_filename": "%v_%d.m4s",
    }
    return [
        *(bundled_tools().ffmpeg, *QUIET),
        *(part for graph in inputs for part in ("-re", "-f", "lavfi", "-i", graph)),
        *("-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "400k"),
        *("-g", f"{SEGMENT * RATE}", "-keyint_min", f"{SEGMENT * RATE}", "-sc_threshold", "0"),
        *("-flags", "+cgop", "-c:a", "aac", "-b:a", "96k", "-f", "hls"),
        *(part for name, value in hls.items() for part in (f"-{name}", value)),
        "%v.m3u8",
    ]
