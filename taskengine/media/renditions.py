"""The renditions of a film, encoded segment by segment: of each segment a file for each one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import trio

from taskengine.media import encoding
from taskengine.media.conform import is_exact
from taskengine.media.ffmpeg import FRAGMENTED, OnProgress, ffmpeg, is_shortage, source
from taskengine.media.fragments import read_file_header, read_samples
from taskengine.media.probe import Media, OutputWrong, ProbedStream
from taskengine.media.segments import FilmSegment, picture_times, segments
from taskengine.media.tools import Bench
from taskengine.runtime.process import ProcessFailed

AHEAD: Final = 1.0  # seconds that are decoded before a segment: what is woven needs neighbours
WHOLE_FILM: Final = 0.0  # decoded from its beginning on


@dataclass(frozen=True, slots=True)
class SegmentedFilm:
    """A source whose pictures are encoded by a profile. `digest` is another one for another film,
    or another way of encoding."""

    path: Path
    media: Media
    stream: ProbedStream
    profile: str
    segments: tuple[FilmSegment, ...] = ()
    digest: str = ""

    @property
    def rungs(self) -> list[encoding.Rung]:
        return encoding.rungs(self.stream.track)

    @property
    def length(self) -> Fraction:
        """Seconds, of all segments."""
        return sum((one.length for one in self.segments), Fraction(0))


async def plan_film(
    bench: Bench, path: Path, media: Media, profile: str, seconds: float
) -> SegmentedFilm | None:
    """A film in segments of so many seconds; None if it is encoded in one piece."""
    videos = [stream for stream in media.streams if stream.track.type == "video"]
    if len(videos) != 1 or media.duration < 2 * seconds:
        return None
    found = await picture_times(bench, path, videos[0].track.stream)
    planned = segments(found, media.zero, media.duration, seconds)
    if not planned:
        return None
    film = SegmentedFilm(path, media, videos[0], profile, tuple(planned))
    how = [_outputs(film, one, Path()) for one in planned]
    told = f"{found.digest} {json.dumps(how)}"
    return replace(film, digest=hashlib.sha256(told.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Encoded:
    """A segment that was encoded: a file for each rung, the best first, and how many seconds after
    the segment's beginning its first picture is shown."""

    files: tuple[Path, ...]
    first: Fraction


async def encode_segment(
    bench: Bench, film: SegmentedFilm, segment: FilmSegment, on_progress: OnProgress
) -> Encoded:
    """Encode a segment into files in the bench's folder. Raises ProcessFailed and OutputWrong.

    Readers do not find the right picture in every file, nor can every decoder begin with it: what
    does not come out as planned is decoded from the film's beginning on.
    """
    ahead = float(segment.start) - film.media.begins - AHEAD
    if segment.number and ahead > 0:
        try:
            made = await _encode(bench, film, segment, ahead, on_progress)
            if await _is_as_planned(made, segment):
                return made
        except (ProcessFailed, OutputWrong) as failure:
            if isinstance(failure, ProcessFailed) and is_shortage(failure):
                raise
    return await _encode(bench, film, segment, WHOLE_FILM, on_progress)


async def _encode(
    bench: Bench, film: SegmentedFilm, segment: FilmSegment, begin: float, on_progress: OnProgress
) -> Encoded:
    seek = ("-ss", f"{begin:.6f}") if begin else ()
    await ffmpeg(
        bench,
        *source(film.path, "-copyts", *seek),
        *_outputs(film, segment, bench.folder),
        duration=float(segment.length),
        on_progress=on_progress,
        careful=is_exact(film.media),
    )
    files = tuple(bench.folder / _name(segment, rung) for rung in film.rungs)
    first, _ = await trio.to_thread.run_sync(_shown, files[0])
    return Encoded(files, first)


def _outputs(film: SegmentedFilm, segment: FilmSegment, folder: Path) -> list[str]:
    """The arguments that make a file for each rung."""
    track, made = film.stream.track, []
    for rung in film.rungs:
        scale = encoding.scaled(track, rung.edge)
        made += ["-map", f"0:{track.stream}", "-map_metadata", "-1", "-map_chapters", "-1"]
        made += encoding.video(film.profile, film.stream, scale, segment.cut)
        made += [*encoding.limits(film.profile, rung.rate), *FRAGMENTED]
        made.append(f"file:{folder / _name(segment, rung)}")
    return made


def _name(segment: FilmSegment, rung: encoding.Rung) -> str:
    return f"{segment.name}-{rung.edge}.mp4"


async def _is_as_planned(made: Encoded, segment: FilmSegment) -> bool:
    """Whether it begins and ends with the pictures that it should."""
    _, last = await trio.to_thread.run_sync(_shown, made.files[0])
    missed = abs(made.first), abs(last - (segment.last - segment.start))
    return max(missed) < segment.near


def _shown(path: Path) -> tuple[Fraction, Fraction]:
    """When the first and the last picture are shown, seconds. Blocking. Raises OutputWrong."""
    try:
        header = read_file_header(path, b"vide")
        shown = read_samples(path, header).shown
    except ValueError as error:
        raise OutputWrong(f"{path.name}: {error}") from None
    if not shown:
        raise OutputWrong(f"{path.name} has no pictures")
    return Fraction(min(shown), header.scale), Fraction(max(shown), header.scale)
