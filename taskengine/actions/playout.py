"""A remix as a live stream that loops: a task writes its manifests as files, for any web server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Final, Protocol

import trio

from taskengine.actions.capture import now
from taskengine.actions.context import Context
from taskengine.actions.registry import action
from taskengine.capture.moments import since_epoch
from taskengine.media.markers import Marker
from taskengine.model import JsonObject, TaskEngineError
from taskengine.remix.live import AT_LEAST, LivePlaylist, LoopingStream, read_track
from taskengine.remix.live_mpd import LoopingMpd, longest_window
from taskengine.remix.master import live_master, live_name, media_playlists
from taskengine.storage import FileNotStored, Folder
from taskengine.times import parse_time

SHORTEST: Final = 0.1  # seconds between two looks
GONE: Final = "The live stream ends: its asset is gone"
PAUSE: Final = 2.0  # seconds until a storage that failed is asked again


@action("remix.compose")
async def compose(
    context: Context,
    *,
    target: dict[str, str],
    manifest: str,
    duration: float,
    start_time: str | None = None,
    drm: list[str] | None = None,
    window: int = 60,
) -> JsonObject:
    """Write the multivariant playlist of the live stream, and settle when it starts: without a
    start time so that it has three segments at once. `drm` is what the asset is packaged for."""
    folder = await context.open_folder(**target)
    master, mpd = _beside(manifest)
    text = await _text(context, folder, master)
    names, captions = media_playlists(text)
    if captions:
        await context.warn(
            "live_compose: captions in files of their own are not in the stream's HLS"
        )
    if "aes" in (drm or ()):
        await context.warn("live_compose: there is no live form of AES-128")
    loop = Fraction(str(duration))
    if (most := longest_window(loop)) < window:
        await context.warn(f"live_compose: players of DASH go back for {float(most):g} s at most: "
                           f"the loop is {duration:g} s")  # fmt: skip
    tracks = [read_track(await _text(context, folder, name), loop) for name in names]
    if start_time is not None:
        start = since_epoch(parse_time(start_time))
    else:
        start = context.epoch - max(track.end(AT_LEAST - 1) for track in tracks)
    path = context.scratch / "live.m3u8"
    await trio.Path(path).write_text(live_master(text), "utf-8")
    await folder.put(path, live_name(master))
    files = [folder.name_of(live_name(name)) for name in (master, mpd, *names)]
    await context.info(f"Live stream: {files[0]}, a loop of {duration:g} s")
    return {"manifest": files[0], "files": files, "playlists": names, "start": str(start)}


@action("remix.play_out")
async def play_out(
    context: Context,
    *,
    target: dict[str, str],
    manifest: str,
    playlists: list[str],
    start: str,
    duration: float,
    window: int = 60,
    markers: list[JsonObject] | None = None,
) -> JsonObject:
    """Keep the media playlists and the MPD of the live stream as they have to be now, until its
    asset is gone or the job is broken."""
    folder = await context.open_folder(**target)
    _, mpd = _beside(manifest)
    began, loop, back = Fraction(start), Fraction(str(duration)), Fraction(window)
    try:
        texts = {name: await _text(context, folder, name) for name in (mpd, *playlists)}
    except FileNotStored:
        await context.info(GONE)
        return {}
    stream = LoopingStream(began, back, [Marker.of_json(one) for one in markers or []])
    files: dict[str, LiveFile] = {live_name(mpd): LoopingMpd(texts[mpd], began, loop, back)}
    for name in playlists:
        files[live_name(name)] = LivePlaylist(stream, read_track(texts[name], loop))
    needed = {PurePosixPath(manifest).name, *texts}
    await PlayOut(context, folder, files, needed).run()
    await context.info(GONE)
    return {}


class LiveFile(Protocol):
    """A playlist or an MPD at any time, in seconds since 1970."""

    def text(self, now: Fraction) -> str:
        """Empty before there is something to play."""
        ...

    def changes(self, now: Fraction) -> Fraction:
        """When it will be another one."""
        ...


@dataclass(slots=True)
class PlayOut:
    """`files` by their names; `needed` are those of the asset without which there is no stream."""

    context: Context
    folder: Folder
    files: Mapping[str, LiveFile]
    needed: set[str]
    _written: dict[str, str] = field(default_factory=dict)
    _is_told: bool = False  # that the storage fails

    async def run(self) -> None:
        """Until the asset is gone."""
        while True:
            try:
                if not await self._is_there():
                    return
                await self._write(now())
                self._is_told = False
            except TaskEngineError:
                raise
            except Exception as error:
                await self._tell(error)
                await trio.sleep(PAUSE)
            await trio.sleep(max(SHORTEST, float(self._next() - now())))

    async def _is_there(self) -> bool:
        try:
            names = {file.name for file in await self.folder.list()}
        except FileNotStored:
            return False
        return self.needed <= names

    async def _write(self, moment: Fraction) -> None:
        """Those that have changed."""
        for name, file in self.files.items():
            text = file.text(moment)
            if text and text != self._written.get(name):
                path = self.context.scratch / "manifest"
                await trio.Path(path).write_text(text, "utf-8")
                await self.folder.put(path, name)
                self._written[name] = text

    def _next(self) -> Fraction:
        moment = now()
        return min(file.changes(moment) for file in self.files.values())

    async def _tell(self, error: Exception) -> None:
        """Once for as long as it lasts."""
        if not self._is_told:
            await self.context.warn(f"The manifests cannot be written, trying again: {error}")
        self._is_told = True


def _beside(manifest: str) -> tuple[str, str]:
    """The names of the playlist and of the MPD beside a server manifest."""
    path = PurePosixPath(manifest)
    return path.with_suffix(".m3u8").name, path.with_suffix(".mpd").name


async def _text(context: Context, folder: Folder, name: str) -> str:
    path = context.scratch / "read"
    await folder.fetch(name, path)
    text = await trio.Path(path).read_text("utf-8")
    path.unlink()
    return text
