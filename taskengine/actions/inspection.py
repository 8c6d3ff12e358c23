"""Fetching and probing source files, and preparing those that cannot be packaged as they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import trio

from taskengine.actions.context import Context
from taskengine.actions.materials import bench_of, fetch, local_name, stage
from taskengine.actions.pace import Pace
from taskengine.actions.segmented import SegmentedEncode
from taskengine.capture.cues import write_webvtt
from taskengine.capture.model import SourceRefused
from taskengine.capture.ttml import read_ttml
from taskengine.media.captions import has_cues, to_webvtt
from taskengine.media.companions import lacking, make_companion
from taskengine.media.conform import UNDECODED, conform, fits, is_usable, undecodable
from taskengine.media.extensions import CAPTIONS, ENCODABLE, suffix
from taskengine.media.ffmpeg import check_whole, refuse
from taskengine.media.probe import SLACK, Media, OutputWrong, probe_source
from taskengine.media.properties import apply_file_properties
from taskengine.media.renditions import plan_film
from taskengine.media.tables import keyframes
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.media.whole import check_boxes
from taskengine.model import JsonObject, PermanentFailure
from taskengine.runtime.process import ProcessFailed
from taskengine.storage import Folder

SCRATCH: Final = "scratch"  # the folder of tracks that were made anew
TTML: Final = frozenset({".ttml", ".dfxp"})
SHAPES: Final = 0.1  # by which the shapes of renditions may differ: sides are rounded
LONG_SEGMENT: Final = 15.0  # seconds from one keyframe to the next
ENCODED: Final = 0.95  # of the work on a film that is encoded: its segments


class Inspector:
    """Turns source files into tracks. Those made anew stay in scratch until they are placed."""

    def __init__(
        self,
        context: Context,
        folder: Folder,
        retries: int = 0,
        ladder: str = "",
        keeps_sound: bool = True,
        segment: float = math.inf,
    ) -> None:
        self.context, self.folder, self.retries, self.ladder = context, folder, retries, ladder
        self.segment = segment  # seconds that are encoded at a time
        self.keeps_sound = keeps_sound  # of a source that is encoded
        self._encoded: list[Track] = []  # videos of sources, as they were before
        self.bench = bench_of(context)
        self._done, self._share = 0.0, 1.0
        self._local: dict[str, str] = {}  # of source files: their names in scratch
        self._times: dict[tuple[str, int], list[float]] = {}  # of keyframes, by file and stream

    async def tracks(self, names: Sequence[str], properties: JsonObject) -> list[Track]:
        """The tracks of all source files."""
        found: list[Track] = []
        self._share = 1 / len(names)
        for number, name in enumerate(names):
            self._done = number * self._share
            await self.context.progress(self._done)
            found += await self._tracks_of(number, name, properties)
        return found

    async def of_file(self, number: int, name: str) -> list[Track]:
        """The tracks of one source file; `number` tells it from the others of the attempt."""
        return await self._tracks_of(number, name, {})

    async def _tracks_of(self, number: int, name: str, properties: JsonObject) -> list[Track]:
        local = self._local[name] = local_name(number, name)
        path = self.context.scratch / local
        await fetch(self.context, self.folder, name, path, self.retries)
        if suffix(name) in CAPTIONS:
            made = await self._captions(local, name)
        else:
            made = await self._prepared(local, name, await probe_source(self.bench, path, name))
        there = [
            replace(track, file=name, source=name) if track.file == local
            else replace(track, folder=SCRATCH, source=name)
            for track in made
        ]  # fmt: skip
        return [apply_file_properties(track, name, properties) for track in there]

    async def aligned(
        self, tracks: Sequence[Track], known: Mapping[str, Sequence[float]] | None = None
    ) -> list[Track]:
        """Without the renditions that could not be switched to: keyframes at other times, another
        shape or length. What is `known` of their keyframes, by file, is not read again."""
        known = known or {}
        videos = sorted((t for t in tracks if t.type == "video"), key=lambda t: -t.bitrate)
        times = []
        if len(videos) > 1:
            times = [known.get(track.file) or await self._keyframes(track) for track in videos]
        left_out = []
        for track, other in zip(videos[1:], times[1:], strict=True):
            if why := _unlike(videos[0], track, times[0], other):
                left_out.append(track)
                await self.context.warn(f"{_origin(track)}: {why} {_origin(videos[0])}, left out")
        return [track for track in tracks if track not in left_out]

    async def with_companions(self, tracks: Sequence[Track]) -> list[Track]:
        """And AAC beside sound that few browsers play, where no other track of its language has
        it."""
        made = list(tracks)
        for track in lacking(tracks):
            name = f"companion-{track.name}.mp4"
            await self.context.info(f"{track.name}: AAC is made beside {track.codec}, for browsers")
            companion = await make_companion(self.bench, self.path(track), track, name)
            made.insert(made.index(track) + 1, replace(companion, folder=SCRATCH))
        return made

    async def pictured(self, tracks: Sequence[Track]) -> list[Track]:
        """Videos that pictures can be taken of, the best first; with lines about what players may
        mind."""
        videos = [track for track in tracks if track.type == "video"]
        for track in videos:
            times = [*await self._keyframes(track), track.end]
            longest = max((b - a for a, b in pairwise(times)), default=0.0)
            if longest > LONG_SEGMENT:
                await self.context.warn(
                    f"{_origin(track)}: {longest:.0f} s from one keyframe to the next; segments are"
                    " as long, and players can begin nowhere else"
                )
        found = [track for track in (*videos, *self._encoded) if track.codec not in UNDECODED]
        if not found:
            await self.context.warn("no pictures can be taken of AV1, which is packaged as it is")
        return found

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
        await self._tell_left_out(name, media)
        await check_source(self.bench, path, name, media)
        ladder = self.ladder if suffix(name) in ENCODABLE else ""
        if fits(media) and not ladder:
            return media.tracks
        if video := undecodable(media, ladder):
            raise PermanentFailure(f"{name}: its {video.codec} would have to be encoded anew, and"
                                   " the media tools of this engine cannot decode it")  # fmt: skip
        await self.context.info(f"{name}: {'encoding' if ladder else 'converting'} for packaging")
        if ladder:
            self._encoded += [
                replace(track, file=name, source=name)
                for track in media.tracks
                if track.type == "video"
            ]
        try:
            renditions = await self._renditions(path, name, media) if ladder else []
            encoded = ENCODED * self._share if renditions else 0.0
            made = await conform(
                self.bench,
                path,
                media,
                ladder=ladder,
                keeps_sound=self.keeps_sound or not ladder,
                there=renditions,
                on_progress=Pace(
                    self.context,
                    name,
                    media.duration,
                    done=self._done + encoded,
                    share=self._share - encoded,
                ),
            )
        except ProcessFailed as failure:
            refuse(failure, path, name, "cannot be converted")
        except OutputWrong as wrong:
            raise PermanentFailure(f"{name} is damaged: {wrong}") from wrong
        return [track for track in made if await self._says_something(track, name)]

    async def _renditions(self, path: Path, name: str, media: Media) -> list[str]:
        """Files of a film that is encoded in segments; none of one that is encoded in one piece."""
        film = await plan_film(self.bench, path, media, self.ladder, self.segment)
        if film is None:
            return []
        share = ENCODED * self._share
        return await SegmentedEncode(self.context, film, name, self._done, share).finish()

    async def _tell_left_out(self, name: str, media: Media) -> None:
        unusable = [
            f"stream {track.stream} is left out: captions of the kind {track.codec} are pictures"
            for track in media.tracks
            if not is_usable(track)
        ]
        for line in (*media.left_out, *unusable):
            await self.context.warn(f"{name}: {line}")

    async def _says_something(self, track: Track, name: str) -> bool:
        """Captions without one caption are left out: the packager takes none."""
        if track.type != "text":
            return True
        text = await trio.Path(self.context.scratch / track.file).read_text("utf-8")
        if not has_cues(text):
            await self.context.warn(f"{name}: stream of captions ({track.language}) is left out:"
                                    " there is no caption in it")  # fmt: skip
        return has_cues(text)

    async def _captions(self, local: str, name: str) -> list[Track]:
        path = self.context.scratch / local
        target = path.with_name(f"{path.stem}-captions.vtt")
        if suffix(name) in TTML:
            is_something = await trio.to_thread.run_sync(_from_ttml, path, target, name)
        else:
            is_something = await to_webvtt(self.bench, path, target, name)
        if not is_something:
            await self.context.warn(f"{name} is left out: there is no caption in it")
            return []
        return [Track("text", target.name, codec="webvtt", role="subtitle")]

    async def _keyframes(self, track: Track) -> list[float]:
        place = track.file, track.stream
        if place not in self._times:
            self._times[place] = await keyframes(self.path(track), track.stream)
        return self._times[place]

    def path(self, track: Track) -> Path:
        """Where the file of a track lies here."""
        return self.context.scratch / self._local.get(track.file, track.file)


async def check_source(bench: Bench, path: Path, name: str, media: Media) -> None:
    """Raises PermanentFailure for a source with nothing in it, or one that is cut off."""
    if not media.streams:
        raise PermanentFailure(f"{name}: there is no video, audio or text in it")
    if media.family == "mov":
        await check_boxes(path, name)
        if any(track.type != "text" for track in media.tracks):
            await check_whole(bench, path, name)


def _from_ttml(path: Path, target: Path, label: str) -> bool:
    try:
        cues = read_ttml(path.read_bytes())
    except SourceRefused as refusal:
        raise PermanentFailure(f"{label} is no caption file: {refusal}") from None
    target.write_text(write_webvtt(cues), "utf-8")
    return bool(cues)


def _origin(track: Track) -> str:
    return track.source or track.file


def _unlike(best: Track, other: Track, times: Sequence[float], others: Sequence[float]) -> str:
    """Why a video is no rendition of another one; empty if it is."""
    if not _same(times, others, 0.5 / (best.frame_rate or 25)):
        return "keyframes at other times than in"
    if abs(best.end - other.end) > max(SLACK, 0.002 * best.end):
        return "another length than"
    shape, its = (track.width / max(1, track.height) for track in (best, other))
    if abs(shape / (its or 1) - 1) > SHAPES:
        return "pictures of another shape than"
    return ""


def _same(times: Sequence[float], other: Sequence[float], slack: float) -> bool:
    return len(times) == len(other) and all(
        abs(a - b) <= slack for a, b in zip(times, other, strict=True)
    )
