"""A source as it can be followed: its tracks, and the window of each, read again and again.

Which kind of manifest a URL gives is seen from the manifest, whatever the URL looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol, TypeVar

import trio

from taskengine.capture.model import (
    NEEDED,
    UNREADABLE,
    Form,
    Resource,
    SourceAway,
    SourceRefused,
    SourceTrack,
    Time,
    TrackType,
    Window,
)
from taskengine.capture.sources.boxes import sidx
from taskengine.capture.sources.dash import Mpd, read_mpd
from taskengine.capture.sources.hls_master import Master, read_master
from taskengine.capture.sources.hls_media import MediaPlaylist
from taskengine.capture.sources.mpd_segments import Representation, with_index
from taskengine.capture.sources.smooth import Smooth, read_smooth
from taskengine.runtime.threads import in_thread

MAX_MANIFEST: Final = 16 << 20  # bytes (A81)
MAX_INDEX: Final = 4 << 20  # bytes
OTHERS_SECONDS: Final = 10.0  # for the answer about captions and images
MISSED_SECONDS: Final = 0.5  # if there was none before
HEAD: Final = 4000  # bytes that say what a manifest is
PLAYLIST_FORMS: Final[Mapping[TrackType, Form]] = {"text": "vtt", "image": "image"}
Kind = Literal["hls", "dash", "smooth", ""]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A body and the URL that it came from, after redirects: relative URLs count from there."""

    body: bytes
    url: str


class Get(Protocol):
    """Fetches a resource of at most so many bytes. Raises SourceAway, SourceRefused."""

    async def __call__(self, resource: Resource, limit: int) -> Answer: ...


class Stream(Protocol):
    """A source. Its methods raise SourceAway and SourceRefused."""

    @property
    def tracks(self) -> Sequence[SourceTrack]: ...

    async def window(self, track: SourceTrack) -> Window:
        """What it offers now of one of its tracks."""
        ...


async def open_stream(url: str, get: Get, now: Callable[[], Time]) -> Stream:
    """Read the manifest at a URL for the first time."""
    answer = await get(Resource(url), MAX_MANIFEST)
    text, size = _text(answer.body), len(answer.body)
    match kind_of(answer.body):
        case "hls":
            return HlsStream(get, await _read(lambda: read_master(text, answer.url), size))
        case "smooth":
            manifest = await _read(lambda: read_smooth(text, answer.url), size)
            return SmoothStream(url, get, now, manifest)
        case "dash":
            mpd = await _read(lambda: read_mpd(text, answer.url, now()), size)
            return DashStream(url, get, now, mpd)
        case _:
            kinds = "neither an HLS playlist, nor an MPD, nor a Smooth manifest"
            raise SourceRefused(f"it is {kinds}")


async def window_of(stream: Stream, track: SourceTrack, *, is_missed: bool) -> Window:
    """What a stream offers of a track. Captions and images that are silent hold up pictures and
    sound once: what was missed before has hardly any time. Raises SourceAway, SourceRefused."""
    if track.type in NEEDED:
        return await stream.window(track)
    with trio.move_on_after(MISSED_SECONDS if is_missed else OTHERS_SECONDS):
        return await stream.window(track)
    raise SourceAway("no answer in time")


def on_clock(window: Window, begins: Time | None) -> Window:
    """A window of a stream with a clock. Images that are complete and state no times begin where
    the first track does. Raises SourceRefused for others without a clock."""
    if window.has_clock or not any(one.tiles for one in window.segments):
        return window
    if not window.is_over or begins is None:
        raise SourceRefused("its playlist states no times, those of pictures do")
    segments = (replace(one, start=one.start + begins) for one in window.segments)
    return replace(window, segments=tuple(segments), has_clock=True)


def kind_of(body: bytes) -> Kind:
    """Which kind of manifest a body is, seen from how it begins; `""` for what is none."""
    start = _text(body[:HEAD]).lstrip()
    if start.startswith("#EXTM3U"):
        return "hls"
    if "SmoothStreamingMedia" in start:
        return "smooth"
    return "dash" if "<MPD" in start or ":MPD" in start else ""


@dataclass(slots=True)
class HlsStream:
    get: Get
    master: Master
    _playlists: dict[str, MediaPlaylist] = field(default_factory=dict)

    @property
    def tracks(self) -> Sequence[SourceTrack]:
        return self.master.tracks

    async def window(self, track: SourceTrack) -> Window:
        url = self.master.playlists[track.id]
        if url not in self._playlists:
            self._playlists[url] = MediaPlaylist(PLAYLIST_FORMS.get(track.type))
        playlist, variables = self._playlists[url], self.master.variables
        return await _manifest(
            self.get, url, lambda text, found: playlist.read(text, found, variables)
        )


@dataclass(slots=True)
class DashStream:
    url: str
    get: Get
    now: Callable[[], Time]
    mpd: Mpd
    _read_at: Time = field(init=False)
    _indexes: dict[Resource, Window] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._read_at = self.now()

    @property
    def tracks(self) -> Sequence[SourceTrack]:
        return self.mpd.tracks

    async def window(self, track: SourceTrack) -> Window:
        if not self.mpd.is_over and self.now() - self._read_at >= self.mpd.refresh:
            self.mpd = await _manifest(
                self.get, self.url, lambda text, url: read_mpd(text, url, self.now())
            )
            self._read_at = self.now()
        window = self.mpd.window(track)
        indexed = [await self._indexed(one) for one in self.mpd.of(track) if one.index]
        if indexed:
            segments = [segment for one in indexed for segment in one.segments]
            window = replace(window, segments=(*window.segments, *segments))
        return window

    async def _indexed(self, one: Representation) -> Window:
        """The segments of a file that lists them itself; the list is fetched once."""
        assert one.index is not None
        assert one.blueprint is not None
        index, blueprint = one.index, one.blueprint
        if index not in self._indexes:
            body = (await self.get(index, MAX_INDEX)).body
            segments = await _read(
                lambda: with_index(blueprint, sidx(body, index.offset)), len(body)
            )
            self._indexes[index] = Window(segments, self.mpd.has_clock, is_over=True)
        return self._indexes[index]


@dataclass(slots=True)
class SmoothStream:
    url: str
    get: Get
    now: Callable[[], Time]
    manifest: Smooth
    _read_at: Time = field(init=False)

    def __post_init__(self) -> None:
        self._read_at = self.now()

    @property
    def tracks(self) -> Sequence[SourceTrack]:
        return self.manifest.tracks

    async def window(self, track: SourceTrack) -> Window:
        known = self.manifest.windows.get(track.id)
        if known is None or (not known.is_over and self.now() - self._read_at >= known.refresh):
            self.manifest = await _manifest(self.get, self.url, read_smooth)
            self._read_at = self.now()
        if track.id not in self.manifest.windows:
            raise SourceRefused(f"it does not offer {track.id[:40]} any more")
        return self.manifest.windows[track.id]


async def _manifest(get: Get, url: str, read: Callable[[str, str], T]) -> T:
    """Fetch one anew; `read` takes its text, and the URL that it came from."""
    answer = await get(Resource(url), MAX_MANIFEST)
    return await _read(lambda: read(_text(answer.body), answer.url), len(answer.body))


async def _read(work: Callable[[], T], size: int) -> T:
    """In a thread, if it is large. Raises SourceRefused for whatever cannot be read."""
    try:
        return await in_thread(work, size)
    except UNREADABLE as error:
        raise SourceRefused(f"it cannot be read: {error}") from None


def _text(body: bytes) -> str:
    encoding = "utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return body.decode(encoding, errors="replace")
