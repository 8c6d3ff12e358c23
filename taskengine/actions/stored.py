"""The tracks of a stored asset, whoever made it: of server manifests, HLS, DASH, plain files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

import trio

from taskengine.actions.context import Context
from taskengine.actions.materials import bench_of, fetch, local_name, stage
from taskengine.actions.storedstream import stream_tracks
from taskengine.media.extensions import MEDIA, suffix
from taskengine.media.ism import read_ism
from taskengine.media.keys import asset_name
from taskengine.media.naming import ManifestName, parse_name
from taskengine.media.ownership import content_id_of
from taskengine.media.probe import Media, probe
from taskengine.media.sets import SetName
from taskengine.media.stored import paired, placed, unlocked
from taskengine.media.streams import segment_name
from taskengine.media.tracks import Track, arrange
from taskengine.model import PermanentFailure
from taskengine.storage import FileNotStored, Folder

Choice = Callable[[Sequence[Track]], Sequence[Track]]
STREAMS: Final = (".m3u8", ".mpd")
NAMED: Final = (  # what a server manifest knows better than a file
    *("name", "description", "role", "kind", "captions", "companion", "bitrate", "private"),
)


@dataclass(slots=True)
class StoredAsset:
    """`names` are the files of its folder."""

    context: Context
    folder: Folder
    content_id: str
    names: Sequence[str]
    retries: int = 0
    is_on_one_clock: bool = True  # the times in its files count from one zero
    used: list[str] = field(default_factory=list)  # files that the tracks were read from
    said: ManifestName | None = None  # of its set, if it is one of ours
    _local: dict[str, str] = field(default_factory=dict)
    _media: dict[str, Media] = field(default_factory=dict)  # by local names

    @classmethod
    async def open(
        cls, context: Context, folder: Folder, content_id: str, retries: int = 0
    ) -> StoredAsset:
        """Raises PermanentFailure for a folder that is not there or has another asset alone."""
        try:
            names = [file.name for file in await folder.list()]
        except FileNotStored as missing:
            raise PermanentFailure(str(missing)) from missing
        found = cls(context, folder, content_id, names, retries)
        others = {content_id_of(name, content_id) for name in found.top} - {None}
        if others and content_id not in others:
            told = ", ".join(sorted(one for one in others if one))
            raise PermanentFailure(f"{folder.complete} holds {told}, not {content_id}")
        return found

    @property
    def top(self) -> list[str]:
        """The files of the folder itself."""
        return [name for name in self.names if "/" not in name]

    @property
    def manifests(self) -> list[tuple[ManifestName, str]]:
        """Those of our sets, behind what their names say."""
        return [(said, name) for name in self.top if (said := parse_name(self.content_id, name))]

    async def tracks(self, choice: Choice) -> list[Track]:
        """Those that are chosen, in the clear, in files of the scratch folder."""
        manifest = self._server_manifest()
        named = placed(read_ism(await self.text(manifest))) if manifest is not None else []
        if manifest is not None and not self._are_in_segments(named):
            return await self._of_manifest(manifest, named, choice)
        if (stream := self._stream_manifest()) is not None:
            self.used = [stream]
            return list(choice(await stream_tracks(self.context, self.folder, stream)))
        return await self._of_files(choice)

    def _server_manifest(self) -> str | None:
        """Of our sets a clear one before one with DRM, an active one before those parked; else
        any other server manifest."""
        own = [
            (said, name)
            for said, name in self.manifests
            if said.extension == "ism" and not said.aes
        ]
        if own:
            self.said, name = max(own, key=lambda one: _rank(one[0]))
            return name
        return self._named([name for name in self.top if suffix(name) == ".ism"])

    def _are_in_segments(self, named: Sequence[Track]) -> bool:
        """Whether the files of the tracks only initialize them, as in assets out of archives."""
        return any(segment_name(track.file, 1) in self.names for track in named)

    def _stream_manifest(self) -> str | None:
        if (said := self.said) is not None:
            return SetName(self.content_id, said.tag, said.guid, said.epoch).of("m3u8")
        return self._named([name for name in self.top if suffix(name) in STREAMS])

    def _named(self, names: Sequence[str]) -> str | None:
        """That of the content id, else a master's, else the first."""
        wanted = (self.content_id, "master", "index", "manifest", "main", "playlist")
        stems = {name.rpartition(".")[0]: name for name in sorted(names)}
        return next(
            (stems[stem] for stem in wanted if stem in stems), next(iter(sorted(names)), None)
        )

    async def _of_manifest(
        self, manifest: str, named: Sequence[Track], choice: Choice
    ) -> list[Track]:
        chosen = list(choice(named))
        if any("/" in track.file or track.file not in self.names for track in chosen):
            lacking = next(track.file for track in chosen if track.file not in self.names)
            raise PermanentFailure(f"{manifest}: its media is not in the folder: {lacking!r}")
        self.used = [manifest, *dict.fromkeys(track.file for track in named)]
        found = [await self._found(track) for track in chosen]
        if self.said is not None and self.said.tag == "drm":
            found = await self._unlocked(found)
        return found

    async def placed(self, tracks: Sequence[Track]) -> list[Track]:
        """The tracks where later tasks find them: what is stored as it is stays there, the rest is
        put into the workspace."""
        stored = {local: name for name, local in self._local.items()}
        made = dict.fromkeys(track.file for track in tracks if track.file not in stored)
        staged = await stage(self.context, [self.context.scratch / file for file in made])
        return [
            replace(track, file=stored[track.file], folder="")
            if track.file in stored
            else replace(track, file=PurePosixPath(track.file).name, folder=staged["staged"])
            for track in tracks
        ]

    async def _found(self, track: Track) -> Track:
        """A track with what its file says of it."""
        local = await self._fetched(track.file)
        if track.type == "text":
            return replace(track, file=local)
        media = await self._probed(local, track.file)
        if self.said is None and media.is_encrypted:
            raise PermanentFailure(f"{track.file} is encrypted, and its key is not known")
        stream = paired(media.tracks, track)
        if stream is None:
            raise PermanentFailure(f"{track.file}: there is no {track.type} in it")
        told = {name: value for name in NAMED if (value := getattr(track, name))}
        return replace(stream, **told, language=track.language, file=local, start=0.0,
                       duration=media.duration, zero=media.zero)  # fmt: skip

    async def _unlocked(self, tracks: Sequence[Track]) -> list[Track]:
        keys = await self.context.keys.load(asset_name(self.folder, self.content_id))
        if keys is None:
            raise PermanentFailure(f"the keys of {self.folder.complete} are not stored")
        return await unlocked(bench_of(self.context), tracks, keys)

    async def _of_files(self, choice: Choice) -> list[Track]:
        media = [name for name in self.top if suffix(name) in MEDIA]
        if not media:
            raise PermanentFailure(
                f"{self.folder.complete} has no asset in it: no manifest, and no media file"
            )
        self.used, self.is_on_one_clock = media, len(media) == 1
        tracks: list[Track] = []
        for name in media:
            local = await self._fetched(name)
            found = await self._probed(local, name)
            tracks += [replace(track, file=local) for track in found.tracks]
        return list(choice(arrange(tracks)))

    async def _probed(self, local: str, name: str) -> Media:
        """What is in a file: several tracks may be in one."""
        if local not in self._media:
            self._media[local] = await probe(
                bench_of(self.context), self.context.scratch / local, name
            )
        return self._media[local]

    async def text(self, name: str) -> str:
        """What stands in one of its files."""
        path = self.context.scratch / await self._fetched(name)
        return await trio.Path(path).read_text("utf-8", "replace")

    async def _fetched(self, name: str) -> str:
        if name not in self._local:
            local = local_name(len(self._local), name)
            target = self.context.scratch / local
            await fetch(self.context, self.folder, name, target, self.retries)
            self._local[name] = local
        return self._local[name]


def _rank(said: ManifestName) -> tuple[bool, bool, int]:
    return said.tag == "nodrm", said.active, said.epoch or 0
