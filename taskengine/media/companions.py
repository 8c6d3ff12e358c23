"""AAC beside sound that browsers do not play: AC-3 alone leaves their viewers in silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from taskengine.media import encoding
from taskengine.media.ffmpeg import ffmpeg, source
from taskengine.media.probe import probe
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track

EVERYWHERE: Final = frozenset({"aac", "mp3"})  # codecs that all browsers play


def lacking(tracks: Sequence[Track]) -> list[Track]:
    """Tracks of sound for whose language and purpose there is nothing that all browsers play."""
    audio = [track for track in tracks if track.type == "audio"]
    heard = {(track.language, track.kind) for track in audio if track.codec in EVERYWHERE}
    return [
        track for track in audio
        if track.codec not in EVERYWHERE and (track.language, track.kind) not in heard
    ]  # fmt: skip


async def make_companion(bench: Bench, path: Path, track: Track, file: str) -> Track:
    """The sound of a track, which is in the file at a path, as AAC in a file of the bench."""
    arguments = ["-map", f"0:{track.stream}", *encoding.audio(track, 0.0), "-f", "mp4"]
    await ffmpeg(bench, *source(path), *arguments, f"file:{bench.folder / file}")
    new = (await probe(bench, bench.folder / file)).tracks[0]
    made = replace(track, file=file, stream=0, codec=new.codec, private=new.private)
    made = replace(made, bitrate=new.bitrate, channels=new.channels, start=new.start)
    return replace(made, duration=new.duration, name=f"{track.name}_aac", companion=track.name)
