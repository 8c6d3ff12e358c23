"""Recording a clip of a remix: its streams as captures do, its files as segments like theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

import trio

from taskengine.actions.capture import FOLDER, now, telling
from taskengine.actions.context import Context
from taskengine.actions.inspection import Inspector
from taskengine.actions.materials import bench_of
from taskengine.capture.clip import Clip, Range
from taskengine.capture.cues import read_webvtt
from taskengine.capture.encryption.proof import Proof
from taskengine.capture.following import Following
from taskengine.capture.model import Fetched, Resource, SourceAway, SourceRefused, SourceTrack
from taskengine.capture.moments import told
from taskengine.capture.noting import Noted
from taskengine.capture.recording import Recording
from taskengine.capture.streams import open_stream
from taskengine.capture.web import Web
from taskengine.media.boxes import HANDLERS
from taskengine.media.probe import probe
from taskengine.media.segmenting import Segmented, write_segments
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.model import PermanentFailure, TaskEngineError
from taskengine.remix.recording import (
    NOTE,
    Offered,
    StreamClip,
    Voice,
    merge,
    of_file,
    of_stream,
    segment,
    voices,
    wanted,
)
from taskengine.remix.sources import MAX_FILES, RemixSource, sources_at
from taskengine.runtime.process import ProcessFailed
from taskengine.storage import Folder

LARGEST: Final = 1 << 40  # bytes of a file
SLOWEST: Final = 6 * 3600.0  # seconds for one file
FILES: Final = "sources"  # in the job's workspace: files as they came


class SourceUnavailable(TaskEngineError):
    """A source that cannot be had now; another attempt may do better."""


@dataclass(slots=True)
class ClipRecorder:
    """Records one clip into the job's workspace, once for all attempts."""

    context: Context
    web: Web
    clip: Clip
    folder: Folder = field(init=False)
    scratch: Path = field(init=False)
    _heard: set[Voice] = field(default_factory=set)

    def __post_init__(self) -> None:
        place = self.clip.place
        self.folder = self.context.workspace.below(FOLDER).below(f"clip-{place}")
        self.scratch = self.context.scratch / f"clip-{place}"

    async def run(self) -> None:
        """Raises PermanentFailure, and SourceUnavailable for what another attempt may have."""
        self.scratch.mkdir(exist_ok=True)
        recording = self._recording(self.folder, self.scratch)
        await recording.load()
        if await recording.read_note(NOTE) is not None:
            return
        offered = [await self._offered(recording, *one) for one in enumerate(await self._sources())]
        found = await merge(self.clip, offered, recording)
        self._check_reached(found, offered)
        tracks = ", ".join(found.tracks)
        await self.context.info(f"Clip {self.clip.place}: from {found.told()}, {tracks}")

    def _check_reached(self, found: Range, offered: Sequence[Offered]) -> None:
        """What begins behind all that there is has no picture (A74)."""
        ends = [one.end for source in offered for own in source.segments.values() for one in own]
        if ends and found.start >= max(ends):
            end = told(max(ends), has_clock=found.has_clock)
            raise PermanentFailure(
                f"clip {self.clip.place}: there is nothing of {found.told()}, its source ends at"
                f" {end}"
            )

    def _recording(self, folder: Folder, scratch: Path) -> Recording:
        return Recording(folder, scratch, str(self.context.attempt.task.attempt))

    async def _sources(self) -> list[RemixSource]:
        """What the URLs of the clip give, in their order."""
        found: list[RemixSource] = []
        for url in self.clip.sources:
            try:
                found += await sources_at(self.web, url)
            except SourceRefused as error:
                raise self._refused(RemixSource(url), error) from None
            except SourceAway as error:
                raise self._away(RemixSource(url), error) from None
        if len(found) > MAX_FILES:
            raise PermanentFailure(
                f"clip {self.clip.place}: {len(found)} files, expected at most {MAX_FILES}"
            )
        return found

    async def _offered(self, recording: Recording, place: int, source: RemixSource) -> Offered:
        if source.is_stream:
            offered = await self._stream(place, source)
        else:
            offered = await self._file(recording, place, source)
        self._heard |= voices(offered.tracks)
        return offered

    # Streams

    async def _stream(self, place: int, source: RemixSource) -> Offered:
        if self.clip.end is None:
            await self._check_over(source)
        scratch = self.context.scratch / f"clip-{self.clip.place}-{place}"
        scratch.mkdir(exist_ok=True)
        recording = self._recording(self.folder.below(f"source-{place}"), scratch)
        clip = StreamClip(
            self.clip.place, (source.url,), self.clip.start, self.clip.end,
            heard=frozenset(self._heard),
        )  # fmt: skip
        proof = Proof(Bench(self.context.run, scratch))
        said = self.context.info, self.context.warn
        following = Following(clip, self.web, recording, scratch, now, *said, proof)
        async with telling(self.context, [following]):
            found = await following.run()
        noted = Noted(recording)
        await noted.load()
        offered = of_stream(place, found, recording)
        offered.signals = noted.signals
        return offered

    async def _check_over(self, source: RemixSource) -> None:
        """A stream that goes on has no end by itself."""
        try:
            stream = await open_stream(source.url, self.web.get, now)
            windows = [await stream.window(track) for track in stream.tracks[:1]]
        except SourceRefused as error:
            raise self._refused(source, error) from None
        except SourceAway as error:
            raise self._away(source, error) from None
        if not all(window.is_over for window in windows):
            raise PermanentFailure(
                f"clip {self.clip.place}: {source.shown} is live: expected an end for it"
            )

    # Files

    async def _file(self, recording: Recording, place: int, source: RemixSource) -> Offered:
        name = f"{self.clip.place}-{place}-{source.name}"
        folder = self.context.workspace.below(FILES)
        await self._fetch(folder, name, source)
        inspector = Inspector(self.context, folder)
        try:
            await self._check_open(folder, name)
            tracks = await inspector.of_file(self.clip.place * MAX_FILES + place, name)
            return await self._segmented(recording, place, source, tracks, inspector)
        except PermanentFailure as failure:
            why = str(failure).replace(name, source.shown)
            raise PermanentFailure(f"clip {self.clip.place}: {why}") from None

    async def _fetch(self, folder: Folder, name: str, source: RemixSource) -> None:
        """The file as it is, which an earlier attempt may have."""
        path = self.scratch / "arriving"
        if not await folder.has(name):
            await self._download(folder, name, source, path)

    async def _download(self, folder: Folder, name: str, source: RemixSource, path: Path) -> None:
        web = Web(self.web.http, longest=SLOWEST)
        try:
            await web.download(Resource(source.url), path, LARGEST)
        except SourceRefused as error:
            raise self._refused(source, error) from None
        except SourceAway as error:
            raise self._away(source, error) from None
        size = (await trio.Path(path).stat()).st_size
        await folder.hand_over(path, name)
        await self.context.info(f"Clip {self.clip.place}: {source.shown}, {size / 1e6:.1f} MB")

    async def _check_open(self, folder: Folder, name: str) -> None:
        """Tools would make garbage of what is encrypted. What is no media is told later."""
        path = self.scratch / "looked-at"
        await folder.fetch(name, path)
        try:
            media = await probe(bench_of(self.context), path)
        except (PermanentFailure, ProcessFailed):
            return
        finally:
            path.unlink()
        if media.is_encrypted:
            raise PermanentFailure(f"{name} is encrypted, and there is no key for it")

    async def _segmented(
        self,
        recording: Recording,
        place: int,
        source: RemixSource,
        tracks: Sequence[Track],
        inspector: Inspector,
    ) -> Offered:
        offered = Offered()
        known = {of_file(place, n, _described(track, source)): track
                 for n, track in enumerate(tracks)}  # fmt: skip
        for one in wanted(list(known), frozenset(self._heard)):
            track = known[one]
            path = inspector.path(track)
            if track.type == "text":
                kept = [await self._text(recording, place, one, path)]
            else:
                kept = await self._media(recording, place, one, path, track)
            offered.tracks.append(one)
            offered.segments[one.id] = kept
        left = len(known) - len(offered.tracks)
        if left:
            await self.context.info(
                f"Clip {self.clip.place}: of {source.shown} the sound that other sources have is"
                " left out"
            )
        return offered

    async def _media(
        self, recording: Recording, place: int, one: SourceTrack, path: Path, track: Track
    ) -> list[Fetched]:
        stem = self.scratch / f"part-{one.id}"
        work = partial(write_segments, path, track.stream, HANDLERS[track.type], stem)
        try:
            made: Segmented = await trio.to_thread.run_sync(work)
        except ValueError as error:
            raise PermanentFailure(f"{track.source or path.name}: {error}") from None
        folder = f"source-{place}"
        init = await recording.keep_init(folder, made.init)
        found = []
        for number, part in enumerate(made.segments):
            name = f"{folder}/{one.id}-{number}.mp4"
            await recording.folder.hand_over(part.path, name)
            found.append(segment(place, number, part.start, part.end, name, init))
        return found

    async def _text(
        self, recording: Recording, place: int, one: SourceTrack, path: Path
    ) -> Fetched:
        text = await trio.Path(path).read_text("utf-8", "replace")
        end = max((cue.end for cue in read_webvtt(text).cues), default=Fraction(0))
        name = f"source-{place}/{one.id}.vtt"
        await recording.folder.put(path, name)
        return segment(place, 0, Fraction(0), end + 1, name)

    def _refused(self, source: RemixSource, error: Exception) -> PermanentFailure:
        return PermanentFailure(f"clip {self.clip.place}: {source.shown}: {error}")

    def _away(self, source: RemixSource, error: Exception) -> SourceUnavailable:
        return SourceUnavailable(f"clip {self.clip.place}: {source.shown}: {error}")


def _described(track: Track, source: RemixSource) -> Track:
    """With what a server manifest says of the file."""
    return replace(
        track,
        language=source.language or track.language,
        kind=source.kind or track.kind,
        role=source.role or track.role,
    )
