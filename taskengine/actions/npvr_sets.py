"""Sets of manifests of an asset out of archives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import trio

from taskengine.actions.archive import open_archive, profile_keys
from taskengine.actions.context import Context
from taskengine.actions.cpix import downloaded, keep
from taskengine.actions.materials import bench_of, stage
from taskengine.actions.npvr import PLAN
from taskengine.actions.registry import action
from taskengine.actions.time_limits import time_limit
from taskengine.archive.assets import AssetWriter, SampledSet, SegmentLink
from taskengine.archive.index import ArchiveIndex
from taskengine.archive.locking import Locker, whole_file
from taskengine.archive.plan import AssetPlan, PlannedSpan
from taskengine.archive.segments import ArchivedSegment
from taskengine.media.boxes import HANDLERS
from taskengine.media.fragments import read_file_header
from taskengine.media.keys import AssetKeys, asset_name, keys_for
from taskengine.media.naming import Extension, Tag
from taskengine.media.probe import probe
from taskengine.media.sets import SetName, build_set
from taskengine.media.streams import slug
from taskengine.media.tracks import Track
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import FileNotStored, Folder

LINKS: Final = "links.json"  # in the workspace: there may be thousands
LABELS: Final = ("clear", "cenc", "cbcs")  # of media, as sets have it

Place = dict[str, str]  # storage and root, and of a target its folder


class CustomSetName(SetName):
    """Of the set whose manifest the job itself names; it is never switched or parked."""

    def of(self, extension: Extension, *, aes: bool = False) -> str:
        return f"{self.guid}.{extension}"


@action("npvr.package")
async def package_asset(
    context: Context,
    *,
    content_id: str,
    tag: Tag,
    active: Tag,
    selected: JsonObject,
    source: Place,
    target: Place,
    drm: list[str] | None = None,
    cpix: bool = False,
    cpix_url: str | None = None,
    seconds: int = 0,
) -> JsonObject:
    """Make the set of one kind of what npvr.select chose; where it is not clear with the keys of
    the archive, so that assets share encrypted segments too, or (`cpix`) of the key service."""
    builder = await _Builder.open(context, content_id, selected, source)
    keys = None
    if tag == "drm":
        folder = await context.open_folder(**target)
        document = await downloaded(context, cpix_url, content_id) if cpix else None
        if document is not None:
            keys = await keep(context, document, folder, content_id)
        else:
            keys = await builder.archive_keys(folder)
    epoch = None if tag == active else context.epoch
    name = SetName(content_id, tag, context.guid(f"manifest-{tag}"), epoch)
    with time_limit(seconds):
        made = await builder.build(name, drm or [], keys)
    return {**made, "tag": tag, "active": epoch is None}


@action("npvr.package_profile")
async def package_profile(
    context: Context,
    *,
    content_id: str,
    profile_id: str,
    manifest: str,
    selected: JsonObject,
    source: Place,
    seconds: int = 0,
) -> JsonObject:
    """Make a set beside the others, with the keys of a profile of the first clip's archive."""
    builder = await _Builder.open(context, content_id, selected, source)
    folder = builder.archives[builder.plan.spans[0].capture_id]
    about: Any = await ArchiveIndex(folder, context.scratch).about()
    drm = next((p["drm"] for p in about["profiles"] if p["profile_id"] == profile_id), None)
    keys = await context.keys.load(profile_keys(folder, profile_id))
    if drm is None or keys is None:
        known = ", ".join(p["profile_id"] for p in about["profiles"]) or "none"
        raise PermanentFailure(f"profile_id: {profile_id} is no profile of its archive ({known})")
    name = CustomSetName(content_id, "drm", manifest.removesuffix(".ism"))
    with time_limit(seconds):
        made = await builder.build(name, drm, keys)
    return {**made, "active": False}


@dataclass(frozen=True, slots=True)
class _Builder:
    context: Context
    content_id: str
    plan: AssetPlan
    archives: dict[str, Folder]

    @classmethod
    async def open(
        cls, context: Context, content_id: str, selected: JsonObject, source: Place
    ) -> _Builder:
        path = context.scratch / PLAN
        await context.workspace.below(selected["staged"]).fetch(PLAN, path)
        plan = AssetPlan.of_json(json.loads(await trio.Path(path).read_text("utf-8")))
        ids = dict.fromkeys(one.capture_id for one in plan.spans)
        archives = {one: await open_archive(context, **source, capture_id=one) for one in ids}
        return cls(context, content_id, plan, archives)

    async def archive_keys(self, target: Folder) -> AssetKeys:
        """Those of the first clip's archive, kept for the asset as well. Raises PermanentFailure
        if the asset has others."""
        capture_id = self.plan.spans[0].capture_id
        store = self.context.keys
        keys = await keys_for(store, asset_name(self.archives[capture_id], capture_id))
        kept = await store.keep(asset_name(target, self.content_id), keys)
        if kept.key_id != keys.key_id:
            raise PermanentFailure(f"{self.content_id} is encrypted with another key already")
        return keys

    async def build(self, name: SetName, drm: Sequence[str], keys: AssetKeys | None) -> JsonObject:
        """Everything but the segments, staged, with the links that there will be."""
        samples: dict[tuple[str, ...], SampledSet] = {}
        for planned in self.plan.spans:
            if planned.span.inits not in samples:
                samples[planned.span.inits] = await self._sample(
                    planned, name, drm, keys, len(samples)
                )
        guid = self.context.guid
        stems = {one: f"{slug(self.content_id)}_{guid(f'media-{one}')}" for one in LABELS}
        folder = self.context.scratch / "written"
        folder.mkdir()
        writer = AssetWriter(self.plan, name, stems, folder)
        await trio.to_thread.run_sync(writer.write, samples)
        lockers = await self._lock(writer.links, keys)
        await self._hand_over_links(writer.links, lockers)
        staged = await stage(self.context, [folder / file for file in writer.files])
        used = {link.label for link in writer.links}
        return {**staged, "manifest": name.of("ism"), "stems": [stems[one] for one in sorted(used)]}

    async def _sample(
        self,
        planned: PlannedSpan,
        name: SetName,
        drm: Sequence[str],
        keys: AssetKeys | None,
        number: int,
    ) -> SampledSet:
        """A set of the first segment of each track of a span."""
        bench, scratch = bench_of(self.context), self.context.scratch
        tracks: list[Track] = []
        scales: list[int] = []
        for track_name, own in planned.span.segments.items():
            chapter, one = own[0]
            path = scratch / f"sample-{number}-{track_name}.mp4"
            await whole_file(self.archives[planned.capture_id].below(chapter.folder), one, path)
            about = self.plan.tracks[track_name]
            handler = HANDLERS[about["type"]]
            header = await trio.to_thread.run_sync(read_file_header, path, handler)
            seconds = one.ticks / header.scale
            told = {**about, "duration": seconds, "bitrate": round(8 * one.size / seconds)}
            found = await self._described(self.archives[planned.capture_id], one, path)
            tracks.append(replace(found, **told, file=path.name, start=0.0, zero=0.0))
            scales.append(header.scale)
        made = await build_set(bench, tracks, name, guid=self.context.guid, drm=drm, keys=keys)
        place = made.folder.rename(scratch / f"sampled-{number}")
        files = [scratch / track.file for track in tracks]
        return SampledSet(replace(made, folder=place), tracks, scales, files)

    async def _described(self, archive: Folder, one: ArchivedSegment, path: Path) -> Track:
        """What its media says of a track; noted beside it, since many assets want to know."""
        name, local = f"tracks/{one.init}.json", self.context.scratch / "described.json"
        try:
            await archive.fetch(name, local)
            return Track(**json.loads(await trio.Path(local).read_text("utf-8")))
        except FileNotStored:
            found = (await probe(bench_of(self.context), path)).tracks[0]
        made = self.context.scratch / f"describing-{one.init}.json"
        await trio.Path(made).write_text(json.dumps(found.to_json()), "utf-8")
        await archive.put(made, name)
        return found

    async def _lock(
        self, links: Sequence[SegmentLink], keys: AssetKeys | None
    ) -> dict[tuple[str, str], Locker]:
        """Those that know where encrypted segments lie, once these are there."""
        found: dict[tuple[str, str], Locker] = {}
        bench = bench_of(self.context)
        for link in links:
            if link.label != "clear" and keys is not None:
                archive = self.archives[link.capture_id]
                key = link.capture_id, link.label
                found.setdefault(key, Locker(bench, archive, link.label, keys))
        for (capture_id, label), locker in found.items():
            own = [
                one.placed for one in links if (one.capture_id, one.label) == (capture_id, label)
            ]
            await locker.lock(own, self.context.progress)
        return found

    async def _hand_over_links(
        self, links: Sequence[SegmentLink], lockers: dict[tuple[str, str], Locker]
    ) -> None:
        rows: dict[str, list[tuple[str, str]]] = {}
        for link in links:
            chapter, one = link.placed
            locker = lockers.get((link.capture_id, link.label))
            folder = locker.folder(chapter) if locker else chapter.folder
            rows.setdefault(link.capture_id, []).append((f"{folder}/{one.file}", link.name))
        path = self.context.scratch / LINKS
        await trio.Path(path).write_text(json.dumps(rows), "utf-8")
        await self.context.staging.hand_over(path, LINKS)
