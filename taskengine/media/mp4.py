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
    on_progress: OnProgress | None = None,
) -> None:
    """One MP4 of the best video and audio, or of all of them; nothing is encoded anew."""
    chosen = choose(tracks, mezzanine=mezzanine)
    files = list(dict.fromkeys(track.file for track in chosen))
    arguments = [part for file in files for part in source(bench.folder / file)]
    for track in chosen:
        arguments += ["-map", f"{files.index(track.file)}:{track.stream}"]
    audio = [track for track in chosen if track.type == "audio"]
    for index, track in enumerate(audio):
        arguments += [f"-metadata:s:a:{index}", f"language={track.language}"]
    arguments += ["-map_metadata", "-1", "-map_chapters", "-1", "-c", "copy"]
    arguments += ["-movflags", "+faststart", "-f", "mp4", f"file:{target}"]
    duration = max(track.end for track in chosen)
    await ffmpeg(bench, *arguments, duration=duration, on_progress=on_progress)
    await expect_duration(bench, target, duration)


def choose(tracks: Sequence[Track], *, mezzanine: bool) -> list[Track]:
    """The tracks of an MP4 on demand, from tracks in the order of arrange()."""
    video = [track for track in tracks if track.type == "video"]
    audio = [track for track in tracks if track.type == "audio"]
    if mezzanine:
        return [*video, *audio]
    return [*video[:1], *sorted(audio, key=_audio_rank)[:1]]


def _audio_rank(track: Track) -> tuple[bool, int]:
    return track.kind != "" and track.kind != "main", -track.bitrate
