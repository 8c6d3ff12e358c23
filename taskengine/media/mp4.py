"""The MP4 on demand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from taskengine.media.ffmpeg import OnProgress, ffmpeg, source
from taskengine.media.probe import expect_duration
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track


async def make_mp4(
    bench: Bench,
    tracks: Sequence[Track],
    target: Path,
    *,
    mezzanine: bool = False,
    captions: bool = False,
    zero: float | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """One MP4 of the best video and audio, or of all of them, and of captions if they are wanted;
    no picture and no sound is encoded anew. Files whose times are of one clock begin at `zero`,
    seconds; else each begins with itself."""
    chosen = choose(tracks, mezzanine=mezzanine, captions=captions)
    files = list(dict.fromkeys(track.file for track in chosen))
    arguments = [part for file in files for part in source(bench.folder / file)]
    for track in chosen:
        arguments += ["-map", f"{files.index(track.file)}:{track.stream}"]
    for kind, letter in (("audio", "a"), ("text", "s")):
        own = [track for track in chosen if track.type == kind]
        for index, track in enumerate(own):
            arguments += [f"-metadata:s:{letter}:{index}", f"language={track.language}"]
    if zero is not None:
        arguments = ["-copyts", *arguments, "-output_ts_offset", f"{-zero:.6f}"]
    arguments += ["-map_metadata", "-1", "-map_chapters", "-1", "-c", "copy", "-c:s", "mov_text"]
    arguments += ["-movflags", "+faststart", "-f", "mp4", f"file:{target}"]
    duration = max(track.end for track in chosen)
    await ffmpeg(bench, *arguments, duration=duration, on_progress=on_progress)
    await expect_duration(bench, target, duration)


def choose(tracks: Sequence[Track], *, mezzanine: bool, captions: bool = False) -> list[Track]:
    """The tracks of an MP4 on demand, from tracks in the order of arrange(): the best sound is one
    of the default track's language (A78)."""
    video = [track for track in tracks if track.type == "video"]
    audio = [track for track in tracks if track.type == "audio"]
    text = [track for track in tracks if track.type == "text" and captions]
    if mezzanine:
        return [*video, *audio, *text]
    spoken = [track for track in audio if track.language == audio[0].language]
    return [*video[:1], *sorted(spoken, key=_audio_rank)[:1], *text]


def _audio_rank(track: Track) -> tuple[bool, int]:
    return track.kind != "" and track.kind != "main", -track.bitrate
