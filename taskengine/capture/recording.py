"""A recording: the segments that were fetched, in the job's workspace, with an index.

Every segment is a file whose name derives from what it is, so that two attempts write the same.
The index is a row of pages; each is written once, after the files that it names are on disk. So at
every instant the pages name whole files only. The next attempt after one that was killed reads the
pages, finds the files that were not listed yet by their names, and goes on (promise 14). After a
crash of the host these may be cut: they are checked.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import trio

from taskengine.capture.checking import is_whole
from taskengine.capture.model import Fetched, Form, Resource, Segment, TileLayout
from taskengine.storage import FileNotStored, Folder, StoredFile

INDEX: Final = "index-"  # what names of pages begin with
PAGE: Final = 50  # segments
PAGE_SECONDS: Final = 2.0
SUFFIXES: Final = {"smooth": "mp4", "ttml": "bin"}  # of forms whose name is none

ERA: Final = 10  # seconds; an origin that starts anew may count anew, not at about the same time

Key = tuple[str, int, str, int, int]  # track, source, run, number, era


@dataclass(slots=True)
class Recording:
    """`folder` holds the recording of one clip. Its files may also be written by an older attempt
    that does not know yet that it is over: with the same bytes."""

    folder: Folder
    scratch: Path
    writer: str  # of its pages: the attempt
    fetched: dict[Key, Fetched] = field(default_factory=dict)
    inits: set[str] = field(default_factory=set)  # files of initializations that are there
    found: dict[str, int] = field(default_factory=dict)  # files that no page lists; their sizes
    lost: set[Key] = field(default_factory=set)  # that a page lists, and whose files are not whole
    size: int = 0  # bytes
    _unlisted: list[Fetched] = field(default_factory=list)
    _pages: int = 0
    _made: Iterator[int] = field(default_factory=itertools.count)  # tracks may share what is made
    _last_page: float = field(default_factory=trio.current_time)

    async def load(self) -> None:
        """Read what earlier attempts have listed, and see what they had no time to list."""
        files = await self.stored_files()
        pages = sorted(one.name for one in files if one.name.startswith(INDEX))
        sizes = {one.name: one.size for one in files}
        for name in pages:
            for said in json.loads(await self._text(name)):
                one, size = _fetched(said), sizes.get(said["file"])
                if size is not None and one.size in (0, size):  # 0: nobody has said it
                    self.remember(one)
                else:
                    self.lost.add(key_of_segment(one.track, one.source, one.segment))
        self.lost -= self.fetched.keys()
        self._pages = sum(name.startswith(f"{INDEX}{self.writer}-") for name in pages)
        listed = {one.file for one in self.fetched.values()}
        self.found = {one.name: one.size for one in files if one.name not in listed}

    async def pages(self, prefix: str) -> list[str]:
        """The texts of all pages of one kind, in their order."""
        names = [one.name for one in await self.stored_files() if one.name.startswith(prefix)]
        return [await self._text(name) for name in sorted(names)]

    async def _text(self, name: str) -> str:
        path = self.scratch / "text-read"  # a link to what is stored: never written to
        await self.folder.fetch(name, path)
        return await trio.Path(path).read_text("utf-8")

    async def stored_files(self) -> Sequence[StoredFile]:
        try:
            return await self.folder.list()
        except FileNotStored:
            return []

    async def read_note(self, name: str) -> str | None:
        """What an earlier attempt has noted under a name."""
        try:
            return await self._text(name)
        except FileNotStored:
            return None

    async def write_note(self, name: str, text: str) -> None:
        path = self.scratch / f"written-{name}"  # several may be written at once
        await trio.Path(path).write_text(text, "utf-8")
        await self.folder.hand_over(path, name)

    def has(self, track: str, source: int, segment: Segment) -> bool:
        return key_of_segment(track, source, segment) in self.fetched

    def of(self, track: str) -> list[Fetched]:
        """The segments of a track, by their starts."""
        found = [one for one in self.fetched.values() if one.track == track]
        return sorted(found, key=lambda one: (one.start, one.source))

    def name_for(self, track: str, source: int, segment: Segment) -> str:
        suffix = SUFFIXES.get(segment.form, segment.form)
        run = digest(f"{segment.run}|{_era(segment)}".encode())
        return f"{track}/{source}-{run}-{segment.number}.{suffix}"

    async def finds(self, file: str, form: Form) -> int | None:
        """The size of a file that no page lists, if there is such a file and it is whole."""
        size = self.found.get(file)
        if size is None:
            return None
        path = self.scratch / f"found-{next(self._made)}"
        await self.folder.fetch(file, path)
        problem = await trio.to_thread.run_sync(is_whole, path, form)
        path.unlink()
        return None if problem else size

    async def keep_init(self, track: str, content: bytes) -> str:
        """An initialization segment; each content is kept once."""
        name = f"{track}/init-{digest(content)}.mp4"
        if name not in self.inits:
            path = self.scratch / f"made-{next(self._made)}.mp4"
            await trio.Path(path).write_bytes(content)
            await self.folder.hand_over(path, name)
            self.inits.add(name)
        return name

    async def keep(self, one: Fetched, path: Path) -> None:
        """Store a segment's file, which may be moved away; it is on disk and listed soon."""
        await self.folder.put_unsynced(path, one.file)
        self.note(one)
        is_due = trio.current_time() - self._last_page >= PAGE_SECONDS
        if len(self._unlisted) >= PAGE or is_due:
            await self.write_page()

    def note(self, one: Fetched) -> None:
        """A segment whose file is stored; the next page lists it."""
        self.remember(one)
        self._unlisted.append(one)

    async def write_page(self) -> None:
        """List what was kept since the last page."""
        self._last_page = trio.current_time()
        page, self._unlisted = self._unlisted, []
        if not page:
            return
        self._pages += 1
        number = self._pages  # another page may be begun while this one is written
        path = self.scratch / f"page-{number}.json"
        text = json.dumps([_told(one) for one in page], separators=(",", ":"))
        try:
            await self.folder.sync([one.file for one in page])
            await trio.Path(path).write_text(text, "utf-8")
            await self.folder.hand_over(path, f"{INDEX}{self.writer}-{number:06}.json")
        except BaseException:  # cancelled, for another source was quicker: the next page has them
            self._unlisted = [*page, *self._unlisted]
            raise

    def remember(self, one: Fetched) -> None:
        key = key_of_segment(one.track, one.source, one.segment)
        if key not in self.fetched:
            self.size += one.size
        self.fetched[key] = one


def key_of_segment(track: str, source: int, segment: Segment) -> Key:
    return track, source, segment.run, segment.number, _era(segment)


def _era(segment: Segment) -> int:
    """Not parted where segments tend to begin: what is told of one may differ by a millisecond."""
    return int(segment.start + Fraction(1, 3)) // ERA


def digest(content: bytes) -> str:
    """What tells contents apart in names of files."""
    return hashlib.sha256(content).hexdigest()[:16]


def _told(one: Fetched) -> dict[str, Any]:
    """As JSON: fractions as text, without what is only of use to fetch and to open it."""
    segment = one.segment
    return {
        "track": one.track,
        "source": one.source,
        "file": one.file,
        "init": one.init_file,
        "size": one.size,
        "number": segment.number,
        "start": str(segment.start),
        "duration": str(segment.duration),
        "run": segment.run,
        "form": segment.form,
        "stated": segment.stated,
        "tiles": _told_tiles(segment.tiles),
        "url": segment.media.url,
    }


def _fetched(said: dict[str, Any]) -> Fetched:
    segment = Segment(
        said["number"],
        Fraction(said["start"]),
        Fraction(said["duration"]),
        Resource(said["url"]),
        None,
        said["run"],
        said["form"],
        stated=said["stated"],
        tiles=_tiles(said.get("tiles")),
    )
    return Fetched(said["track"], said["source"], segment, said["file"], said["init"], said["size"])


def _told_tiles(layout: TileLayout | None) -> list[int | str] | None:
    return None if layout is None else [layout.columns, layout.rows, str(layout.interval)]


def _tiles(said: list[Any] | None) -> TileLayout | None:
    return TileLayout(said[0], said[1], Fraction(said[2])) if said else None
