"""One stream in the packagings that origins use: MPEG-TS, packed sound, Smooth Streaming.

All are made of the same encoded pictures and sound, which stay as they are.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

from taskengine.media.tools import bundled_tools
from tests.capture.film import ffmpeg, run
from tests.capture.origin import LiveTrack


@dataclass(frozen=True, slots=True)
class SmoothTrack:
    """Attributes of its StreamIndex and QualityLevel; starts and durations in ticks of 100 ns."""

    stream: Mapping[str, str]
    level: Mapping[str, str]
    starts: tuple[int, ...]
    durations: Sequence[int]


TICKS = 90_000  # a second, of MPEG-TS
WRAP = 1 << 33  # where its times begin anew
OWNER = b"com.apple.streaming.transportStreamTimestamp\0"


def whole(folder: Path) -> Path:
    """The segments of a track as one file."""
    path = folder / "whole.mp4"
    if not path.exists():
        names = sorted(folder.glob("*.m4s"), key=lambda one: int(one.stem))
        path.write_bytes(b"".join(one.read_bytes() for one in (folder / "init.mp4", *names)))
    return path


def make_transport(folder: Path, video: LiveTrack, audio: LiveTrack | None, name: str, begins=0):
    """MPEG-TS segments of a track's pictures, with the sound in them if there is any; they count
    their times from so many seconds."""
    target = folder / name
    target.mkdir()
    inputs = [whole(folder / one.name) for one in (video, audio) if one is not None]
    named = [part for path in inputs for part in ("-i", path)]
    streams = [part for place in range(len(inputs)) for part in ("-map", str(place))]
    cut = ("-f", "segment", "-segment_time", float(video.durations[0]) - 0.02)
    cut += ("-segment_format", "mpegts", "-segment_start_number", 1)
    ffmpeg(*named, *streams, "-c", "copy", "-output_ts_offset", begins, *cut, target / "%d.ts")
    assert len(list(target.glob("*.ts"))) == len(video.durations)
    codecs = ",".join(one.codecs for one in (video, audio) if one is not None)
    shape = (video.width, video.height)
    return LiveTrack(name, "video", codecs, video.bitrate, video.durations, *shape, suffix="ts")


def make_packed(folder: Path, audio: LiveTrack, transport: Path, name: str) -> LiveTrack:
    """ADTS frames in files, each with its time on the clock of the pictures in an ID3 tag."""
    target = folder / name
    target.mkdir()
    source, frames = whole(folder / audio.name), target / "all.aac"
    ffmpeg("-i", source, "-c", "copy", "-f", "adts", frames)
    times = _times(source, "a:0")
    zero = round(_times(transport / "1.ts", "v:0")[0] * TICKS)  # where the film's zero is
    parts, durations = list(_adts(frames.read_bytes())), []
    places = _grouped(times, audio.durations)
    for number, (first, last) in enumerate(places, 1):
        tag = _id3((zero + round(times[first] * TICKS)) % WRAP)
        (target / f"{number}.aac").write_bytes(tag + b"".join(parts[first:last]))
        durations.append(Fraction(1024 * (last - first), 48_000))
    frames.unlink()
    return LiveTrack(
        name,
        "audio",
        audio.codecs,
        audio.bitrate,
        tuple(durations),
        language=audio.language,
        suffix="aac",
    )


def _times(path: Path, stream: str) -> list[Fraction]:
    """When each packet is shown, in this order."""
    probe = (bundled_tools().ffprobe, "-v", "error", "-select_streams", stream, "-of", "json")
    said = json.loads(run(*probe, "-show_entries", "packet=pts:stream=time_base", path))
    base = Fraction(said["streams"][0]["time_base"])
    return sorted(int(one["pts"]) * base for one in said["packets"])


def _grouped(times, durations) -> list[tuple[int, int]]:
    """Packets `[first, last)` of each segment, of about the durations of the other packaging."""
    bounds, end = [0], times[0]
    for duration in durations[:-1]:
        end += duration
        bounds.append(sum(1 for time in times if time < end))
    return list(zip(bounds, [*bounds[1:], len(times)], strict=True))


def _adts(data: bytes):
    place = 0
    while place < len(data):
        length = (data[place + 3] & 3) << 11 | data[place + 4] << 3 | data[place + 5] >> 5
        yield data[place : place + length]
        place += length


def _id3(time: int) -> bytes:
    content = OWNER + struct.pack(">Q", time)
    frame = b"PRIV" + _synchsafe(len(content)) + bytes(2) + content
    return b"ID3\x04\x00\x00" + _synchsafe(len(frame)) + frame


def _synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))


def make_smooth(folder: Path, tracks: Sequence[LiveTrack], name: str) -> tuple[SmoothTrack, ...]:
    """Fragments `<name>-<start>` of each track, as ffmpeg's own muxer makes them."""
    made = folder / "smooth-made"
    inputs = [part for one in tracks for part in ("-i", whole(folder / one.name))]
    streams = [part for place in range(len(tracks)) for part in ("-map", str(place))]
    for place, one in enumerate(tracks):
        streams += [f"-b:{place}", str(one.bitrate)]  # for the manifest
    options = ("-f", "smoothstreaming", "-window_size", 0, "-min_frag_duration", 900_000)
    ffmpeg(*inputs, *streams, "-c", "copy", *options, made)
    root = ElementTree.parse(made / "Manifest").getroot()
    found = [
        _smooth_track(folder / name, made, stream, level)
        for stream in root.findall("StreamIndex")
        for level in stream.findall("QualityLevel")
    ]
    shutil.rmtree(made)
    return tuple(found)


def _smooth_track(target: Path, made: Path, stream: Element, level: Element) -> SmoothTrack:
    target.mkdir(exist_ok=True)
    kind, bitrate = stream.attrib["Type"], level.attrib["Bitrate"]
    by_start = {}
    for path in (made / f"QualityLevels({bitrate})").glob(f"Fragments({kind}=*"):
        by_start[int(path.name.partition("=")[2].rstrip(")"))] = path
    for start, path in by_start.items():
        path.rename(target / f"{kind}-{bitrate}-{start}")
    durations = [int(chunk.attrib["d"]) for chunk in stream.findall("c")]
    return SmoothTrack(dict(stream.attrib), dict(level.attrib), tuple(sorted(by_start)), durations)
