"""What is in a media file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import trio

from taskengine.media.ffmpeg import SAFE_INPUT, refuse
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track, TrackType
from taskengine.model import PermanentFailure
from taskengine.runtime.process import ProcessFailed

TYPES: dict[str, TrackType] = {"video": "video", "audio": "audio", "subtitle": "text"}
PRIMING = 0.1  # seconds; encoders of audio begin with less, which decoders drop
SLACK = 0.5  # seconds by which a step may change a duration: frames, priming samples


@dataclass(frozen=True, slots=True)
class ProbedStream:
    """A track as it is in the file, with what decides whether it can stay so."""

    track: Track
    pixel_format: str = ""
    rotated: bool = False
    trimmed: bool = False  # an edit list hides its beginning, which the packager does not take
    timed: bool = True  # it states a duration of its own; else the container's stands for it


@dataclass(frozen=True, slots=True)
class Media:
    """A media file. `family` is the container as ffmpeg names it, its first name."""

    family: str
    duration: float
    streams: tuple[ProbedStream, ...]
    accepted: bool = True  # by the packager's parser

    @property
    def tracks(self) -> list[Track]:
        return [stream.track for stream in self.streams]


async def probe(bench: Bench, path: Path, label: str | None = None) -> Media:
    """Look into a file; PermanentFailure names it by its label if it is no media."""
    label = label or path.name
    if (await trio.Path(path).stat()).st_size == 0:
        raise PermanentFailure(f"{label} is empty")
    shown = ("-show_format", "-show_streams", "-show_data", "-of", "json")
    command = [bench.tools.ffprobe, "-v", "error", *SAFE_INPUT, *shown, "-i", f"file:{path}"]
    try:
        said = json.loads(await bench.run(command))
    except ProcessFailed as failure:
        refuse(failure, path, label, "is no media file")
    return _media(said, path)


async def probe_source(bench: Bench, path: Path, label: str) -> Media:
    """Look closer, to see what the packager would make of the file."""
    media = await probe(bench, path, label)
    if media.family != "mov":
        return media
    streams = [
        replace(stream, trimmed=await _is_trimmed(bench, path, stream.track))
        for stream in media.streams
    ]
    return replace(media, streams=tuple(streams), accepted=await is_accepted(bench, path))


async def is_accepted(bench: Bench, path: Path) -> bool:
    """Whether the packager understands the file's header."""
    try:
        await bench.run([bench.tools.packager, "--quiet", "--dump_stream_info", f"in={path.name}"])
    except ProcessFailed:
        return False
    return True


async def _is_trimmed(bench: Bench, path: Path, track: Track) -> bool:
    shown = ("-show_entries", "packet=pts_time", "-read_intervals", "%+#1", "-of", "csv=p=0")
    command = [bench.tools.ffprobe, "-v", "error", *SAFE_INPUT, *shown]
    command += ["-select_streams", str(track.stream), "-i", f"file:{path}"]
    first = _number((await bench.run(command)).strip().rstrip(","))
    return first < (-PRIMING if track.type == "audio" else 0)


async def expect_duration(bench: Bench, path: Path, planned: float, zero: float = 0.0) -> None:
    """Check what a step made: tools end with code 0 on half a file. `zero` is what its times begin
    with."""
    made = (await probe(bench, path)).duration - zero
    if planned and abs(made - planned) > max(SLACK, planned * 0.002):
        raise OutputWrong(f"{path.name} lasts {made:.3f} s instead of {planned:.3f} s")


async def keyframes(bench: Bench, path: Path, stream: int) -> list[float]:
    """The times of a video track's keyframes, seconds."""
    shown = ("-select_streams", str(stream), "-show_entries", "packet=pts_time,flags")
    command = [bench.tools.ffprobe, "-v", "error", *SAFE_INPUT, *shown, "-of", "csv=p=0"]
    rows = (await bench.run([*command, "-i", f"file:{path}"])).split()
    times = [row.split(",")[0] for row in rows if ",K" in row]
    return sorted(float(time) for time in times if time != "N/A")


class OutputWrong(Exception):
    """A tool ended well and made something else than planned."""


def _media(said: dict[str, Any], path: Path) -> Media:
    form = said.get("format", {})
    duration = _number(form.get("duration"))
    streams = tuple(
        _stream(stream, form, path.name)
        for stream in said.get("streams", [])
        if stream.get("codec_type") in TYPES
        and not stream.get("disposition", {}).get("attached_pic")
    )
    return Media(str(form.get("format_name", "")).split(",")[0], duration, streams)


def _stream(said: dict[str, Any], form: dict[str, Any], file: str) -> ProbedStream:
    tags = {key.lower(): value for key, value in said.get("tags", {}).items()}
    own = _number(said.get("duration")) or _clock(tags.get("duration", ""))
    track = Track(
        type=TYPES[said["codec_type"]],
        file=file,
        stream=int(said["index"]),
        codec=said.get("codec_name", ""),
        private=_hexadecimal(said.get("extradata", "")),
        language=tags.get("language") or "und",
        bitrate=int(_number(said.get("bit_rate") or tags.get("bps") or form.get("bit_rate"))),
        start=max(0.0, _number(said.get("start_time")) - _number(form.get("start_time"))),
        duration=own or _number(form.get("duration")),
        width=int(said.get("width", 0)),
        height=int(said.get("height", 0)),
        frame_rate=_ratio(said.get("avg_frame_rate", "0/0")),
        channels=int(said.get("channels", 0)),
        sample_rate=int(said.get("sample_rate", 0)),
    )
    sides = said.get("side_data_list", [])
    rotated = any(_number(side.get("rotation")) % 360 for side in sides)
    return ProbedStream(track, said.get("pix_fmt", ""), rotated, timed=own > 0)


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def _clock(value: str) -> float:
    """Seconds of `hh:mm:ss.fraction`, as Matroska's tags have it."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", value)
    if match is None:
        return 0.0
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _ratio(value: str) -> float:
    above, _, below = value.partition("/")
    return round(_number(above) / _number(below), 3) if _number(below) else 0.0


def _hexadecimal(dump: str) -> str:
    """The bytes of ffprobe's dump: lines of an offset, groups of digits, two spaces and text."""
    rows = re.findall(r"^[0-9a-f]{8}: (.{39})", dump, re.MULTILINE)
    return "".join(rows).replace(" ", "")
