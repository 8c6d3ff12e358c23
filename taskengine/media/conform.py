"""Turning what cannot be packaged as it is into what can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from taskengine.media.ffmpeg import OnProgress, ffmpeg, source
from taskengine.media.probe import SLACK, Media, OutputWrong, ProbedStream, expect_duration, probe
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track, longest

VIDEO: Final = frozenset({"h264", "hevc", "av1", "vp9"})  # what the packager takes in MP4
AUDIO: Final = frozenset({"aac", "ac3", "eac3"})
TEXT: Final = frozenset({"subrip", "webvtt", "mov_text", "ass", "ssa", "text"})
FAMILIES: Final = frozenset({"mov", "matroska", "mpegts"})  # whose timestamps can be trusted
EXACT: Final = frozenset({"mov", "matroska", "avi"})  # that know their duration
PIXELS: Final = frozenset({"yuv420p", "yuvj420p", "yuv420p10le"})
KEYFRAMES: Final = "expr:gte(t,n_forced*2)"
LADDER: Final = ((1080, 5000), (720, 2800), (480, 1400), (360, 800), (240, 400))  # lines, kbit/s


def fits(media: Media) -> bool:
    """Whether the packager takes all its tracks as they are."""
    indexes = [stream.track.stream for stream in media.streams]
    return (
        media.family == "mov"
        and media.accepted
        and indexes == list(range(len(indexes)))  # the packager counts timecodes and data too
        and all(_stays(media, stream) for stream in media.streams)
    )


async def conform(
    bench: Bench,
    path: Path,
    media: Media,
    *,
    ladder: bool = False,
    on_progress: OnProgress | None = None,
) -> list[Track]:
    """Make files of one track each in the bench's folder; what can be copied is not encoded.

    With `ladder` the first video is encoded into renditions of its size and below.
    """
    wanted = [stream for stream in media.streams if _usable(stream)]
    arguments = list(source(path))
    made: list[tuple[Track, bool]] = []  # whether the source states how long it lasts
    for stream in wanted:
        if ladder and stream.track.type == "video":
            made += [(track, stream.timed) for track in _ladder(path, stream, arguments)]
        else:
            name = f"{path.stem}-{stream.track.stream}.{_extension(stream)}"
            arguments += [*_one(media, stream), f"file:{bench.folder / name}"]
            made.append((replace(stream.track, file=name, stream=0), stream.timed))
    duration = longest(media.tracks)
    careful = media.family == "mov"  # streams cut out of a broadcast begin with damage
    await ffmpeg(bench, *arguments, duration=duration, on_progress=on_progress, careful=careful)
    exact = media.family in EXACT
    found = [await _measured(bench, track, exact=exact and timed) for track, timed in made]
    lasts = longest(found)
    if exact and lasts < media.duration - SLACK:
        raise OutputWrong(f"{path.name} ends after {lasts:.3f} s of {media.duration:.3f} s")
    return found


def _usable(stream: ProbedStream) -> bool:
    return stream.track.type != "text" or stream.track.codec in TEXT


def _extension(stream: ProbedStream) -> str:
    return "vtt" if stream.track.type == "text" else "mp4"


def _stays(media: Media, stream: ProbedStream) -> bool:
    """Whether a track can be copied."""
    if stream.trimmed:
        return False
    match stream.track.type:
        case "video":
            return (
                media.family in FAMILIES
                and stream.track.codec in VIDEO
                and stream.pixel_format in PIXELS
                and not (stream.track.codec == "h264" and "10" in stream.pixel_format)
                and not stream.rotated
            )
        case "audio":
            return stream.track.codec in AUDIO
        case _:
            return False


def _one(media: Media, stream: ProbedStream) -> list[str]:
    arguments = ["-map", f"0:{stream.track.stream}", "-map_metadata", "-1", "-map_chapters", "-1"]
    if stream.track.type == "text":
        return [*arguments, "-c:s", "webvtt", "-f", "webvtt"]
    if _stays(media, stream):
        return [*arguments, "-c", "copy", "-f", "mp4"]
    if stream.track.type == "audio":
        return [*arguments, "-c:a", "aac", "-b:a", "160k", "-f", "mp4"]
    scale = "scale=trunc(iw/2)*2:trunc(ih/2)*2"
    return [*arguments, *_h264(scale), "-crf", "20", "-f", "mp4"]


def _h264(scale: str) -> list[str]:
    return [
        *("-vf", f"yadif=deint=interlaced,{scale},format=yuv420p"),
        *("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-bf", "3"),
        *("-force_key_frames", KEYFRAMES, "-sc_threshold", "0", "-flags", "+cgop"),
    ]


def _ladder(path: Path, stream: ProbedStream, arguments: list[str]) -> list[Track]:
    """Renditions with keyframes at the same times; appends what makes them to the arguments."""
    height = stream.track.height
    rungs = [rung for rung in LADDER if rung[0] <= height] or [(height // 2 * 2, 400)]
    made = []
    for lines, rate in rungs:
        name = f"{path.stem}-{stream.track.stream}-{lines}.mp4"
        limits = ["-b:v", f"{rate}k", "-maxrate", f"{rate * 6 // 5}k", "-bufsize", f"{rate * 2}k"]
        arguments += ["-map", f"0:{stream.track.stream}", "-map_metadata", "-1"]
        arguments += [*_h264(f"scale=-2:{lines}"), *limits, "-f", "mp4"]
        arguments.append(f"file:{path.parent / name}")
        made.append(replace(stream.track, file=name, stream=0))
    return made


async def _measured(bench: Bench, track: Track, *, exact: bool) -> Track:
    """The track with what its new file is like."""
    if track.type == "text":
        return replace(track, codec="webvtt", private="")
    path = bench.folder / track.file
    if exact:
        await expect_duration(bench, path, track.end)
    new = (await probe(bench, path)).tracks[0]
    return replace(new, language=track.language, kind=track.kind)
