"""A film that is encoded in segments by the tasks of a job, on all of its instances.

What is done is kept in the job's workspace: the files of a segment, then its record. A file
appears there whole or not at all, so at any instant the records tell what need not be done again.
Who begins with a segment says so by a claim; whoever finds one leaves that segment to its task, and
the task that joins them all encodes what is missing then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import trio

from taskengine.actions.context import Context
from taskengine.actions.materials import bench_of
from taskengine.actions.pace import Pace
from taskengine.capture.joining import Joiner, Taken
from taskengine.media.conform import rendition_name
from taskengine.media.encoding import Rung
from taskengine.media.ffmpeg import OnProgress, refuse
from taskengine.media.fragments import read_file_header
from taskengine.media.movie import MovieTrack
from taskengine.media.probe import OutputWrong
from taskengine.media.renditions import Encoded, SegmentedFilm, encode_segment
from taskengine.media.segments import FilmSegment
from taskengine.model import PermanentFailure
from taskengine.runtime.process import ProcessFailed
from taskengine.storage import FileNotStored, FileStored, Folder

PROCESSORS: Final = 8  # that the encoders of one ladder keep busy
PLACES: Final = max(1, (os.cpu_count() or 1) // PROCESSORS)  # of an instance, for ladders
ENCODERS: Final = trio.CapacityLimiter(PLACES)
PICTURE_SIZE: Final = slice(40, 44)  # in a description: width and height of the pictures


@dataclass(slots=True)
class SegmentedEncode:
    """`label` is what the client calls the film; progress is `share` of the task's, from `begin`
    on."""

    context: Context
    film: SegmentedFilm
    label: str
    begin: float = 0.0
    share: float = 1.0
    _done: set[int] = field(default_factory=set, init=False)
    _pace: Pace | None = field(default=None, init=False)

    @property
    def folder(self) -> Folder:
        """Of this film alone, encoded this way: another one's segments are never taken."""
        folder = self.context.workspace.below(f"segments-{self.film.digest[:32]}")
        return replace(folder, fence=self.context.confirm)

    async def help(self) -> int:
        """Encode what no other task has begun, and say how many segments that were."""
        made = 0
        await self._look()
        while segment := await self._take():
            await self._make(segment)
            made += 1
            await self._look()
        return made

    async def finish(self) -> list[str]:
        """Encode what is missing, and join all of it: a file for each rendition, in scratch."""
        await self._look()
        if self._done:
            found = f"{len(self._done)} of {len(self.film.segments)} segments"
            await self.context.info(f"{self.label}: found {found} that are encoded")
        for segment in self.film.segments:
            if segment.number not in self._done:
                await self._make(segment)
        return [await self._join(rung) for rung in self.film.rungs]

    async def _look(self) -> None:
        """What is done by now, by anybody."""
        try:
            stored = {file.name for file in await self.folder.list()}
        except FileNotStored:
            return
        self._done = {one.number for one in self.film.segments if f"{one.name}.json" in stored}

    async def _take(self) -> FilmSegment | None:
        """The first segment that nobody has taken, or an earlier attempt of this task."""
        for segment in self.film.segments:
            if segment.number not in self._done and await self._claims(segment):
                return segment
        return None

    async def _claims(self, segment: FilmSegment) -> bool:
        own, scratch = str(self.context.attempt.task.id), self.context.scratch
        # A job that is a retry of another one has its workspace, and tasks of its own.
        name = f"{segment.name}.{self.context.attempt.job.id}.claim"
        await trio.Path(scratch / name).write_text(own)
        try:
            await self.folder.put_new(scratch / name, name)
        except FileStored:
            found = scratch / f"{name}ed"  # what was fetched is never written to
            await self.folder.fetch(name, found)
            return await trio.Path(found).read_text() == own
        return True

    async def _make(self, segment: FilmSegment) -> None:
        """Encode a segment and keep it."""
        on_progress = self._progress(segment)
        try:
            async with ENCODERS:
                made = await encode_segment(bench_of(self.context), self.film, segment, on_progress)
        except ProcessFailed as failure:
            refuse(failure, self.film.path, self.label, "cannot be converted")
        except OutputWrong as wrong:
            raise PermanentFailure(f"{self.label} is damaged: {wrong}") from wrong
        await self._keep(segment, made)
        self._done.add(segment.number)
        await on_progress(1.0)
        number = f"segment {segment.number + 1} of {len(self.film.segments)}"
        await self.context.debug(f"{self.label}: {number} is encoded")

    def _progress(self, segment: FilmSegment) -> OnProgress:
        """It counts all segments of the film, whoever makes them."""
        done = self._fraction([one for one in self.film.segments if one.number in self._done])
        part = self._fraction([segment])
        pace = self._pace = self._pace or Pace(
            self.context,
            self.label,
            float(self.film.length),
            done=self.begin,
            share=self.share,
            before=done,
        )

        async def on_progress(fraction: float) -> None:
            await pace(done + part * fraction)

        return on_progress

    def _fraction(self, segments: Sequence[FilmSegment]) -> float:
        """Of the film."""
        return float(sum(one.length for one in segments) / self.film.length)

    async def _keep(self, segment: FilmSegment, made: Encoded) -> None:
        """Its files, then its record."""
        for path in made.files:
            await self.folder.hand_over(path, path.name)
        record = self.context.scratch / f"{segment.name}.json"
        first = [made.first.numerator, made.first.denominator]
        await trio.Path(record).write_text(json.dumps({"first": first}))
        await self.folder.hand_over(record, record.name)

    async def _join(self, rung: Rung) -> str:
        """All segments of a rendition as one file, and its name."""
        film, scratch = self.film, self.context.scratch
        name = rendition_name(film.path, film.stream.track, rung)
        firsts = [await self._first(one) for one in film.segments]
        taken = []
        for number, segment in enumerate(film.segments):
            path = scratch / f"{segment.name}-{rung.edge}.mp4"
            await self.folder.fetch(path.name, path)
            after = firsts[number + 1] if number + 1 < len(firsts) else Fraction(0)
            length = segment.length + after - firsts[number]
            taken.append((path, length))
        await trio.to_thread.run_sync(_joined, taken, scratch / name)
        for path, _ in taken:
            path.unlink()
        return name

    async def _first(self, segment: FilmSegment) -> Fraction:
        path = self.context.scratch / "record.json"
        await self.folder.fetch(f"{segment.name}.json", path)
        return Fraction(*json.loads(await trio.Path(path).read_text())["first"])


def _joined(parts: list[tuple[Path, Fraction]], target: Path) -> None:
    """Files of segments, one after the other. Blocking."""
    headers = [read_file_header(path, b"vide") for path, _ in parts]
    description = headers[0].description
    size = description[PICTURE_SIZE]
    width, height = int.from_bytes(size[:2]), int.from_bytes(size[2:])
    track = MovieTrack(b"vide", headers[0].scale, description, width, height)
    taken = [
        Taken((path,), header, length, 0, is_copied=False, is_kept=False)
        for (path, length), header in zip(parts, headers, strict=True)
    ]
    Joiner(track).join(taken, target)
