"""Turning what cannot be packaged as it is into what can."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import trio

from taskengine.media import encoding
from taskengine.media.ffmpeg import OnProgress, ffmpeg, source
from taskengine.media.layout import layout_of
from taskengine.media.probe import SLACK, Media, OutputWrong, ProbedStream, check_duration, probe
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track, longest

VIDEO: Final = frozenset({"h264", "hevc", "av1", "vp9"})  # what the packager takes in MP4
AUDIO: Final = frozenset({"aac", "ac3", "eac3"})
TEXT: Final = frozenset({"subrip", "webvtt", "mov_text", "ass", "ssa", "text"})
FAMILIES: Final = frozenset({"mov", "matroska", "mpegts"})  # whose timestamps can be trusted
EXACT: Final = frozenset({"mov", "matroska", "avi"})  # that know their duration
PIXELS: Final = frozenset({"yuv420p", "yuvj420p", "yuv420p10le"})
UNDECODED: Final = frozenset({"av1"})  # by the tools that come with the program
LATE: Final = 0.1  # seconds after the others, which players do not stumble over
TICK: Final = 0.001


@dataclass(frozen=True, slots=True)
class Output:
    """What is made of a stream: one file, or one for each rung. `profile` is that of the
    encoder."""

    stream: ProbedStream
    is_copied: bool
    rungs: tuple[encoding.Rung, ...] = ()
    profile: str = "H264"


def fits(media: Media) -> bool:
    """Whether the packager takes all its tracks as they are."""
    indexes = [stream.track.stream for stream in media.streams]
    return (
        media.family == "mov"
        and media.accepted
        and abs(media.zero) < LATE
        and not media.left_out
        and indexes == list(range(len(indexes)))  # the packager counts timecodes and data too
        and all(stays(media, stream) and not _is_repacked(stream) for stream in media.streams)
        and all(stream.track.start < LATE for stream in media.streams)
    )


def stays(media: Media, stream: ProbedStream) -> bool:
    """Whether a track can be copied."""
    if stream.layout.is_trimmed:
        return False
    match stream.track.type:
        case "video":
            return (
                media.family in FAMILIES
                and stream.track.codec in VIDEO
                and stream.pixel_format in PIXELS
                and not (stream.track.codec == "h264" and "10" in stream.pixel_format)
                and not (stream.track.codec == "h264" and stream.layout.is_open)
                and not stream.rotated
            )
        case "audio":
            return stream.track.codec in AUDIO and stream.track.start < LATE
        case _:
            return False


async def conform(
    bench: Bench,
    path: Path,
    media: Media,
    *,
    ladder: str = "",
    keeps_sound: bool = True,
    there: Collection[str] = (),
    on_progress: OnProgress | None = None,
) -> list[Track]:
    """Make files of one track each in the bench's folder; what can be copied is not encoded.

    With `ladder`, a profile of the encoder, videos are encoded into renditions of their size and
    below; without `keeps_sound` sound is encoded as well. Files that are `there` are not made.
    """
    wanted = [
        _wanted(media, stream, ladder, keeps_sound)
        for stream in media.streams
        if is_usable(stream.track)
    ]
    found = await _made(bench, path, media, wanted, there, on_progress)
    again = [
        replace(one, is_copied=False) for one in wanted if one.is_copied
        and await _is_open(bench.folder / _name(path, one.stream), one.stream)
    ]  # fmt: skip
    if again:  # only what was copied can be looked into
        made = await _made(bench, path, media, again, (), on_progress)
        new = {track.file: track for track in made}
        found = [new.get(track.file, track) for track in found]
    lasts = longest(found)
    if media.family in EXACT and lasts < media.duration - SLACK:
        raise OutputWrong(f"it ends after {lasts:.3f} s of {media.duration:.3f} s")
    return found


def is_usable(track: Track) -> bool:
    """Whether something can be made of it: captions that are pictures cannot become text."""
    return track.type != "text" or track.codec in TEXT


def undecodable(media: Media, ladder: str = "") -> Track | None:
    """A video that had to be decoded, and cannot."""
    for stream in media.streams:
        is_encoded = bool(ladder) or not stays(media, stream)
        if stream.track.codec in UNDECODED and is_encoded:
            return stream.track
    return None


def _wanted(media: Media, stream: ProbedStream, ladder: str, keeps_sound: bool) -> Output:
    if ladder and stream.track.type == "video":
        return Output(stream, False, tuple(encoding.rungs(stream.track)), ladder)
    return Output(stream, stays(media, stream) and (keeps_sound or stream.track.type != "audio"))


def is_exact(media: Media) -> bool:
    """Whether damage is held against it: streams cut out of a broadcast begin with some."""
    return media.family == "mov"


async def _is_open(path: Path, stream: ProbedStream) -> bool:
    if stream.track.codec != "h264":
        return False
    return (await trio.to_thread.run_sync(layout_of, path, 0, "video")).is_open


async def _made(
    bench: Bench,
    path: Path,
    media: Media,
    wanted: Sequence[Output],
    there: Collection[str],
    on_progress: OnProgress | None,
) -> list[Track]:
    arguments: list[str] = []
    made: list[tuple[Track, Output]] = []
    for one in wanted:
        for track, its in _outputs(path, media, one):
            made.append((track, one))
            if track.file not in there:
                arguments += [*its, f"file:{bench.folder / track.file}"]
    if arguments:
        await ffmpeg(
            bench,
            *source(path),
            *arguments,
            duration=longest(media.tracks),
            on_progress=on_progress,
            careful=is_exact(media),
        )
    return [await _measured(bench, media, track, one) for track, one in made]


def _outputs(path: Path, media: Media, wanted: Output) -> list[tuple[Track, list[str]]]:
    """Each file that is made of a stream, and its arguments."""
    stream, track = wanted.stream, wanted.stream.track
    shift = media.begins - media.zero  # what the tool takes for the beginning is that of all
    common = ["-map", f"0:{track.stream}", "-map_metadata", "-1", "-map_chapters", "-1"]
    common += ["-output_ts_offset", f"{shift:.6f}"] * (abs(shift) > TICK)
    if not wanted.rungs:
        made = replace(track, file=_name(path, stream), stream=0)
        return [(made, [*common, *_one(media, wanted)])]
    return [
        (
            replace(track, file=rendition_name(path, track, rung), stream=0),
            [*common, *encoding.video(wanted.profile, stream, encoding.scaled(track, rung.edge)),
             *encoding.limits(wanted.profile, rung.rate), "-f", "mp4"],
        )
        for rung in wanted.rungs
    ]  # fmt: skip


def rendition_name(path: Path, track: Track, rung: encoding.Rung) -> str:
    """The file of a rendition of a track of a source."""
    return f"{path.stem}-{track.stream}-{rung.edge}.mp4"


def _name(path: Path, stream: ProbedStream) -> str:
    extension = "vtt" if stream.track.type == "text" else "mp4"
    return f"{path.stem}-{stream.track.stream}.{extension}"


def _one(media: Media, wanted: Output) -> list[str]:
    stream, track = wanted.stream, wanted.stream.track
    if track.type == "text":
        return ["-c:s", "webvtt", "-f", "webvtt"]
    if wanted.is_copied:
        return ["-c", "copy", *_form(track), "-f", "mp4"]
    if track.type == "audio":
        return [*encoding.audio(track, media.zero - media.begins), "-f", "mp4"]
    scale = "scale=trunc(iw/2)*2:trunc(ih/2)*2"
    return [*encoding.video("H264", stream, scale), "-crf", "20", "-f", "mp4"]


def _form(track: Track) -> list[str]:
    """Of a copy: the sample entry that Apple's players take, and the first picture from the very
    beginning on: without it there is nothing to play there, and captions of DASH count from it."""
    if track.type != "video":
        return []
    form = ["-tag:v", "hvc1"] if track.codec == "hevc" else []
    if track.start > TICK:
        early = f"-{track.start:.6f}/TB*eq(N\\,0)"
        form += ["-bsf:v", f"setts=pts=PTS{early}:dts=DTS{early}"]
    return form


def _is_repacked(stream: ProbedStream) -> bool:
    """Whether it has to be written anew, though not encoded."""
    return stream.layout.entry == "hev1" or stream.layout.is_negative


async def _measured(bench: Bench, media: Media, track: Track, wanted: Output) -> Track:
    """The track with what its new file is like."""
    if track.type == "text":
        return replace(track, codec="webvtt", private="", bitrate=0)
    made = await probe(bench, bench.folder / track.file)
    if media.family in EXACT and wanted.stream.timed:
        check_duration(made.duration, track.duration, at_least=True)
    new = made.tracks[0]
    kept = replace(track, start=new.start, duration=new.duration, codec=new.codec)
    kept = replace(kept, private=new.private, bitrate=new.bitrate, channels=new.channels)
    kept = replace(kept, width=new.width, height=new.height, sample_rate=new.sample_rate)
    return replace(kept, frame_rate=track.frame_rate or new.frame_rate)
