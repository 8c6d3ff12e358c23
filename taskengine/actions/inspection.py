"""Fetching and probing source files, and preparing those that cannot be packaged as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from taskengine.actions.context import Context
from taskengine.actions.materials import bench_of, fetch, local_name, stage
from taskengine.media.captions import to_webvtt
from taskengine.media.conform import conform, fits
from taskengine.media.ffmpeg import check_whole, refuse
from taskengine.media.probe import Media, OutputWrong, keyframes, probe_source
from taskengine.media.properties import apply_file_properties
from taskengine.media.tracks import Track
from taskengine.model import JsonObject, PermanentFailure
from taskengine.runtime.process import ProcessFailed
from taskengine.storage import Folder

ENCODABLE: Final = frozenset({".mp4", ".m4v", ".mov", ".mpg", ".mkv", ".avi"})
MEDIA: Final = ENCODABLE | {".mpeg", ".webm", ".ts", ".ismv", ".m4a", ".isma", ".aac", ".ac3",
                            ".ec3", ".eac3", ".mp3", ".wav", ".flac", ".mka"}  # fmt: skip
CAPTIONS: Final = frozenset({".srt", ".vtt"})
SCRATCH: Final = "scratch"  # the folder of tracks that were made anew


class Inspector:
    """Turns source files into tracks. Those made anew stay in scratch until they are placed."""

    def __init__(self, context: Context, folder: Folder, retries: int, ladder: bool) -> None:
        self.context, self.folder, self.retries, self.ladder = context, folder, retries, ladder
        self.bench = bench_of(context)
        self._done, self._share = 0.0, 1.0
        self._local: dict[str, str] = {}  # of source files: their names in scratch

    async def tracks(self, names: Sequence[str], properties: JsonObject) -> list[Track]:
        """The tracks of all source files."""
        found: list[Track] = []
        self._share = 1 / len(names)
        for number, name in enumerate(names):
            self._done = number * self._share
            await self.context.progress(self._done)
            found += await self._tracks_of(number, name, properties)
        return found

    async def _tracks_of(self, number: int, name: str, properties: JsonObject) -> list[Track]:
        local = self._local[name] = local_name(number, name)
        path = self.context.scratch / local
        await fetch(self.context, self.folder, name, path, self.retries)
        if suffix(name) in CAPTIONS:
            made = [await self._captions(local, name)]
        else:
            made = await self._prepared(local, name, await probe_source(self.bench, path, name))
        there = [
            replace(track, file=name) if track.file == local else replace(track, folder=SCRATCH)
            for track in made
        ]
        return [apply_file_properties(track, name, properties) for track in there]

    async def aligned(
        self, tracks: Sequence[Track], known: Mapping[str, Sequence[float]] | None = None
    ) -> list[Track]:
        """Without the renditions that could not be switched to: keyframes at other times. What is
        `known` of them, by file, is not read again."""
        known = known or {}
        videos = sorted((t for t in tracks if t.type == "video"), key=lambda t: -t.bitrate)
        times = []
        if len(videos) > 1:
            times = [known.get(track.file) or await self._keyframes(track) for track in videos]
        left_out = []
        for track, other in zip(videos[1:], times[1:], strict=True):
            if not _same(times[0], other, 0.5 / (videos[0].frame_rate or 25)):
                left_out.append(track)
                await self.context.warn(
                    f"{track.file}: keyframes at other times than in {videos[0].file}, left out"
                )
        return [track for track in tracks if track not in left_out]

    async def placed(self, tracks: Sequence[Track]) -> list[Track]:
        """The tracks where other tasks find them: what was made anew, in the workspace."""
        new = dict.fromkeys(track.file for track in tracks if track.folder == SCRATCH)
        staged = await stage(self.context, [self.context.scratch / file for file in new])
        return [
            replace(track, folder=staged["staged"]) if track.folder == SCRATCH else track
            for track in tracks
        ]

    async def _prepared(self, local: str, name: str, media: Media) -> list[Track]:
        path = self.context.scratch / local
        if media.family == "mov":
            await check_whole(self.bench, path, name)
        if not media.streams:
            raise PermanentFailure(f"{name}: there is no video, audio or text in it")
        ladder = self.ladder and suffix(name) in ENCODABLE
        if fits(media) and not ladder:
            return media.tracks
        await self.context.info(f"{name}: {'encoding' if ladder else 'converting'} for packaging")
        try:
            return await conform(
                self.bench, path, media, ladder=ladder, on_progress=self._converted
            )
        except ProcessFailed as failure:
            refuse(failure, path, name, "cannot be converted")
        except OutputWrong as wrong:
            raise PermanentFailure(f"{name} is damaged: {wrong}") from wrong

    async def _converted(self, fraction: float) -> None:
        await self.context.progress(self._done + fraction * self._share)

    async def _captions(self, local: str, name: str) -> Track:
        target = self.context.scratch / f"{local.rpartition('.')[0]}-captions.vtt"
        await to_webvtt(self.bench, self.context.scratch / local, target, name)
        return Track("text", target.name, codec="webvtt", role="subtitle")

    async def _keyframes(self, track: Track) -> list[float]:
        local = self._local.get(track.file, track.file)
        return await keyframes(self.bench, self.context.scratch / local, track.stream)


def _same(times: Sequence[float], other: Sequence[float], slack: float) -> bool:
    return len(times) == len(other) and all(
        abs(a - b) <= slack for a, b in zip(times, other, strict=True)
    )


def suffix(name: str) -> str:
    """The extension, in lower case."""
    return PurePosixPath(name).suffix.lower()
