"""Arguments of encoders: pictures and sound that cannot be packaged as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from taskengine.media.probe import ProbedStream
from taskengine.media.tracks import Track

GROUP: Final = 2  # seconds from one keyframe to the next
LADDER: Final = ((1080, 5000), (720, 2800), (480, 1400), (360, 800), (240, 400))  # lines, kbit/s
NEAR: Final = 0.93  # of the top rung: one that is hardly smaller is of no use
HDR: Final = frozenset({"arib-std-b67", "smpte2084"})  # HLG and PQ
PER_CHANNEL: Final = 64  # kbit/s of AAC
LEAST, STEREO, MOST = 96, 160, 512
TO_SDR: Final = "out_transfer=bt709:out_primaries=bt709:out_color_matrix=bt709:out_range=limited"


@dataclass(frozen=True, slots=True)
class Rung:
    """A rendition: its shorter edge in pixels, kbit/s."""

    edge: int
    rate: int


@dataclass(frozen=True, slots=True)
class PictureRange:
    """The part of a film that is encoded, in seconds as the file's clock has them: its pictures are
    those between `low` and `high` (None: all from the beginning, to the end), and `start` is to be
    0. `grid` is the time, on that new clock, of the keyframe that it begins with."""

    start: float
    low: float | None = None
    high: float | None = None
    grid: float = 0.0


def rungs(track: Track) -> list[Rung]:
    """The renditions of a video: its own size, then what is below, by its shorter edge."""
    edge = max(2, min(track.width, track.height) // 2 * 2)
    below = [Rung(*rung) for rung in LADDER if rung[0] <= edge * NEAR]
    return [Rung(edge, _rate(edge)), *below]


def _rate(edge: int) -> int:
    """Of the ladder's rung, else as its neighbours have it for their pixels."""
    known = dict(LADDER)
    if edge in known:
        return known[edge]
    if edge < LADDER[-1][0]:
        return LADDER[-1][1]
    lines, rate = next((rung for rung in LADDER if rung[0] < edge), LADDER[-1])
    return round(rate * math.pow(edge / lines, 1.5))


def scaled(track: Track, edge: int) -> str:
    """The filter that gives pictures a shorter edge of so many pixels."""
    return f"scale={edge}:-2" if track.width < track.height else f"scale=-2:{edge}"


def video(
    codec: str, stream: ProbedStream, scale: str, cut: PictureRange | None = None
) -> list[str]:
    """Pictures with keyframes at the same times, whatever their size. The first one is shown
    from the file's beginning on; high dynamic range becomes standard, which 8 bits can hold."""
    grid = f"{cut.grid:.9f}+" if cut else ""
    keyframes = f"expr:gte(t,{grid}n_forced*{GROUP})"
    chain = prepared(stream, scale, cut)
    return ["-vf", chain, *CODECS[codec], "-force_key_frames", keyframes]


def prepared(stream: ProbedStream, scale: str, cut: PictureRange | None = None) -> str:
    """The filters that make of a source's pictures what is given to an encoder."""
    if stream.transfer in HDR:
        scale = f"{scale}{':' if '=' in scale else '='}{TO_SDR}"
    moved = _held(stream.track.start) if cut is None else _cut(cut)
    # Fields are woven before anything is cut: those around a cut need their neighbours.
    return ",".join(["yadif=deint=interlaced", *moved, scale, "format=yuv420p"])


def _held(late: float) -> list[str]:
    return [f"setpts='if(eq(N,0),PTS-{late:.6f}/TB,PTS)'"] * (late > 0)


def _cut(cut: PictureRange) -> list[str]:
    """The filters that let a part's pictures through, on its own clock."""
    moved = f"round(PTS-{cut.start:.9f}/TB)"
    if cut.low is None:
        moved = f"if(eq(N,0),0,{moved})"
    bounds = [f"{name}={at:.9f}" for name, at in (("start", cut.low), ("end", cut.high))
              if at is not None]  # fmt: skip
    return [*[f"trim={':'.join(bounds)}"] * bool(bounds), f"setpts='{moved}'"]


CODECS: Final = {  # names of profiles, as `encoding_profile` has them
    "H264": (
        *("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-bf", "3"),
        *("-sc_threshold", "0", "-flags", "+cgop"),
    ),
    "H265": (
        *("-c:v", "libx265", "-preset", "veryfast", "-tag:v", "hvc1"),
        *("-x265-params", "log-level=error:open-gop=0:scenecut=0"),
    ),
    "AV1": (
        *("-c:v", "libsvtav1", "-preset", "10"),
        *("-svtav1-params", "scd=0:enable-overlays=0"),
    ),
}


def audio(track: Track, zero: float) -> list[str]:
    """AAC; silence stands before what begins late. `zero` is the time of the file's beginning."""
    start = round(zero * (track.sample_rate or 48_000))
    rate = STEREO if track.channels == 2 else PER_CHANNEL * (track.channels or 2)
    arguments = ["-c:a", "aac", "-b:a", f"{min(MOST, max(LEAST, rate))}k"]
    return [*arguments, "-af", f"aresample=async=1:first_pts={start}"] if track.start else arguments


def limits(codec: str, rate: int) -> Sequence[str]:
    """For a mean of so many kbit/s; that encoder of AV1 takes no more than the mean."""
    if codec == "AV1":
        return ("-b:v", f"{rate}k")
    return ("-b:v", f"{rate}k", "-maxrate", f"{rate * 6 // 5}k", "-bufsize", f"{rate * 2}k")
