"""What manifests and captions say of media whose times do not begin at zero."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Final

CLOCK: Final = 90_000  # ticks a second of MPEG-TS, in which WebVTT names the media's times
WRAP: Final = 1 << 33


def webvtt_time(time: float | Fraction) -> str:
    """Seconds as WebVTT has them: `00:01:02.345`."""
    seconds, rest = divmod(round(time * 1000), 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def state_began(playlists: Iterable[Path], began: str) -> None:
    """Say in media playlists of HLS when their first frame was, as UTC. Blocking."""
    for path in playlists:
        head, mark, rest = path.read_text("utf-8").partition("#EXTINF")
        if mark:
            stated = f"#EXT-X-PROGRAM-DATE-TIME:{began}\n"
            path.write_text(f"{head}{stated}{mark}{rest}", "utf-8")


def map_captions(path: Path, zero: float) -> None:
    """Say in a WebVTT file at which time of the media its own times begin (RFC 8216, 3.5)."""
    first, _, rest = path.read_text("utf-8").partition("\n")
    ticks = round(zero * CLOCK) % WRAP
    stated = f"X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{ticks}"
    path.write_text(f"{first}\n{stated}\n{rest}", "utf-8")
