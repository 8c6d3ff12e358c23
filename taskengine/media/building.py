"""Building one set of manifests with its media files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import trio

from taskengine.media.aes import encrypt_hls
from taskengine.media.clear_key import name_clear_key
from taskengine.media.dref import write_dref
from taskengine.media.image_making import ImageMaker
from taskengine.media.index import indexed_duration
from taskengine.media.indexed import are_indexed, package_indexed
from taskengine.media.ism import write_ism
from taskengine.media.keys import AssetKeys
from taskengine.media.markers import Marker
from taskengine.media.marking import mark
from taskengine.media.master import finish_master
from taskengine.media.mpd import finish_mpd
from taskengine.media.naming import Extension
from taskengine.media.packager import SYSTEMS, Manifests, Protection, package
from taskengine.media.probe import OutputWrong, check_duration
from taskengine.media.set_files import MadeSet, SetName
from taskengine.media.streams import (
    closed_captions,
    output_name,
    playlist_name,
    slug,
    streams,
)
from taskengine.media.tiles import (
    TileEntries,
    TileOptions,
    Tiles,
    in_master,
    in_mpd,
)
from taskengine.media.times import map_captions, state_began
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.model import PermanentFailure

CENC: Final = frozenset({"playready", "widevine", "cenc", "aes"})  # what is not FairPlay's alone
Guid = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class SetMaker:
    """Makes one set in a folder of the bench, with as many packager runs as it takes."""

    bench: Bench
    tracks: Sequence[Track]
    name: SetName
    guid: Guid
    folder: str
    keys: AssetKeys | None
    unlock: AssetKeys | None
    trickplay: bool
    markers: Sequence[Marker] = ()
    thumbnails: TileOptions | TileEntries | None = None  # a track of them, made or to be made
    images: Sequence[Tiles] = ()  # further ones, whose files lie in the bench's folder
    notes: list[str] = field(default_factory=list)  # what could not be made
    kept: dict[str, int] = field(default_factory=dict)  # media that are files of tracks, by name

    @property
    def path(self) -> Path:
        return self.bench.folder / self.folder

    def stem(self, label: str) -> str:
        return f"{slug(self.name.content_id)}_{self.guid(f'media-{label}')}"

    async def protect(self, drm: Sequence[str]) -> None:
        """cbcs for FairPlay and cenc for the others: HLS from the first, DASH from the second."""
        if self.keys is None or not drm:
            raise PermanentFailure("drm: expected at least one of its values for a set with DRM")
        fairplay, cenc = "fairplay" in drm, not CENC.isdisjoint(drm)
        systems = [SYSTEMS[value] for value in SYSTEMS if value in drm]
        if fairplay:
            common = ["CommonSystem"] if "cenc" in drm else []
            protection = Protection("cbcs", (*systems, *common), self.keys)
            await self.package("cbcs", hls=True, dash=not cenc, protection=protection)
        if cenc:
            others = [system for system in systems if system != "FairPlay"]
            protection = Protection("cenc", (*others, "CommonSystem"), self.keys)
            await self.package("cenc", hls=not fairplay, dash=True, protection=protection)
        main = "cenc" if cenc else "cbcs"
        label = "cbcs" if fairplay else "cenc"
        playlists = sorted(self.path.glob(f"{self.stem(label)}_*.m3u8"))
        await trio.to_thread.run_sync(name_clear_key, playlists, drm, label, self.keys)
        await self.show_tiles()
        if "aes" in drm:
            await self._make_aes_set(self.keys, main)
        await self.finish(main)

    async def package(
        self,
        label: str,
        *,
        hls: bool,
        dash: bool,
        protection: Protection | None = None,
        folder: str | None = None,
    ) -> None:
        """Make one set of media files, and the manifests that are made from them."""
        folder = folder or self.folder
        manifests = Manifests(
            self._manifest("m3u8") if hls else "",
            self._manifest("mpd") if dash else "",
            closed_captions(self.tracks),
        )
        await self._package(label, folder, manifests, protection)
        made = self.bench.folder / folder
        await trio.to_thread.run_sync(self._keep_captions, label, made)
        await trio.to_thread.run_sync(self._finish_manifests, label, made, manifests)
        await trio.to_thread.run_sync(self._state_times, label, made)
        for index, track in enumerate(self.tracks):
            if track.type != "text":
                file = output_name(self.stem(label), self.tracks, index)
                await self._check(made / file, track)
        if self.markers:
            playlists = f"{self.stem(label)}_*.m3u8"
            await trio.to_thread.run_sync(mark, made, playlists, manifests.dash, self.markers)

    async def _package(
        self, label: str, folder: str, manifests: Manifests, protection: Protection | None
    ) -> None:
        """By the packager; what is clear and laid out already stays as it is."""
        stem = self.stem(label)
        is_plain = label == "clear" and not self.trickplay and self.unlock is None
        if is_plain and await trio.to_thread.run_sync(are_indexed, self.bench, self.tracks):
            kept = await package_indexed(self.bench, self.tracks, stem, folder, manifests)
            self.kept.update(kept)
            return
        dash = bool(manifests.dash)
        fields = streams(self.tracks, stem, folder, trickplay=self.trickplay, dash=dash)
        await package(
            self.bench, fields, folder, manifests, protection=protection, unlock=self.unlock
        )

    async def _check(self, path: Path, track: Track) -> None:
        """Whether all of a track was packaged: what is missing was missing in its source."""
        name = track.source or track.name
        try:
            made = await trio.to_thread.run_sync(indexed_duration, path)
            check_duration(made, track.duration)
        except ValueError as error:
            raise OutputWrong(f"{name} was packaged, and {error}") from None
        except OutputWrong as wrong:
            raise PermanentFailure(f"{name} is damaged: packaged, {wrong}") from None

    def _keep_captions(self, label: str, folder: Path) -> None:
        """As they are: the packager writes anew what it understands of them."""
        for index, track in enumerate(self.tracks):
            if track.type == "text":
                made = folder / output_name(self.stem(label), self.tracks, index)
                shutil.copyfile(self.bench.folder / track.file, made)

    def _finish_manifests(self, label: str, folder: Path, manifests: Manifests) -> None:
        """With what the packager is not told, or says wrongly."""
        files = [output_name(self.stem(label), self.tracks, n) for n in range(len(self.tracks))]
        if manifests.dash:
            mpd = folder / manifests.dash
            mpd.write_text(finish_mpd(mpd.read_text("utf-8"), self.tracks, files), "utf-8")
        if manifests.hls:
            master, playlists = folder / manifests.hls, [playlist_name(file) for file in files]
            text = finish_master(master.read_text("utf-8"), self.tracks, playlists)
            master.write_text(text, "utf-8")

    def _state_times(self, label: str, folder: Path) -> None:
        """Where times of the source are kept."""
        began = next((track.began for track in self.tracks if track.began), "")
        if began:
            state_began(folder.glob(f"{self.stem(label)}_*.m3u8"), began)
        for index, track in enumerate(self.tracks):
            if track.type == "text" and track.zero:
                map_captions(folder / output_name(self.stem(label), self.tracks, index), track.zero)

    async def finish(self, label: str) -> None:
        """Give the manifests their names; the server manifest names the tracks of a label."""
        for extension in ("m3u8", "mpd"):
            await trio.Path(self.path / self._manifest(extension)).rename(
                self.path / self.name.of(extension)
            )
        await self._write("ism", write_ism(self._published(label)))

    async def show_tiles(self) -> None:
        """Thumbnails for the manifests that are there; they are clear in any set."""
        maker = ImageMaker(self.bench, self.path, self.tracks, self.stem, self.notes)
        tiles = await maker.entries(self.thumbnails, self.images)
        if tiles is None:
            return
        changes: list[tuple[Extension, Callable[[str, TileEntries], str]]]
        changes = [("mpd", in_mpd), ("m3u8", in_master)]
        for extension, change in changes:
            manifest = trio.Path(self.path / self._manifest(extension))
            await manifest.write_text(change(await manifest.read_text(), tiles))

    async def refer(self, label: str) -> None:
        """A dref MP4 beside the media of a label, which has to be clear."""
        target = self.path / f"{self.stem(label)}_dref.mp4"
        try:
            await trio.to_thread.run_sync(write_dref, self.path, self._published(label), target)
        except ValueError as error:
            self.notes.append(f"no dref MP4 can be made of what was packaged: {error}")

    async def _make_aes_set(self, keys: AssetKeys, main: str) -> None:
        clear = f"{self.folder}-plain"
        await self.package("plain", hls=True, dash=False, folder=clear)
        stems = (self.stem("plain"), self.stem("aes"))
        text = await encrypt_hls(
            self.bench.folder / clear, self._manifest("m3u8"), self.path, stems, keys
        )
        await self._write("m3u8", text, aes=True)
        dash = await trio.Path(self.path / self._manifest("mpd")).read_text()
        await self._write("mpd", dash, aes=True)
        await self._write("ism", write_ism(self._published(main)), aes=True)

    async def _write(self, extension: Extension, text: str, *, aes: bool = False) -> None:
        await trio.Path(self.path / self.name.of(extension, aes=aes)).write_text(text)

    def _published(self, label: str) -> list[Track]:
        stem = self.stem(label)
        return [
            replace(track, file=output_name(stem, self.tracks, index))
            for index, track in enumerate(self.tracks)
        ]

    def _manifest(self, extension: Extension) -> str:
        """Its name while the packager writes, to whom content ids are not shown."""
        return f"manifest.{extension}"

    def made(self) -> MadeSet:
        slots: list[tuple[Extension, bool]] = [
            *(("m3u8", True), ("mpd", True), ("ism", True)),
            *(("m3u8", False), ("mpd", False), ("ism", False)),
        ]
        names = [self.name.of(extension, aes=aes) for extension, aes in slots
                 if not aes or self.name.tag == "drm"]  # fmt: skip
        found = {path.name for path in self.path.iterdir()}
        media = sorted(found - set(names), key=lambda name: (name.endswith(".m3u8"), name))
        manifests = tuple(name for name in names if name in found)
        return MadeSet(self.path, tuple(media), manifests, tuple(self.notes), self.kept)
