"""Assets out of archives: what they show is selected, described, and shared by links."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

import trio

from taskengine.actions.archive import open_archive
from taskengine.actions.capture import now
from taskengine.actions.context import Context
from taskengine.actions.materials import stage
from taskengine.actions.registry import action
from taskengine.archive.index import ArchivedRange, ArchiveIndex
from taskengine.archive.plan import AssetPlan, PlannedSpan
from taskengine.archive.segments import seconds
from taskengine.archive.selection import gaps, spans
from taskengine.capture.breaks import breaks
from taskengine.capture.marking import heard, markers, numbered
from taskengine.capture.model import Gap, SourceTrack, Time
from taskengine.capture.moments import read_moment, told
from taskengine.capture.pieces import Span
from taskengine.media.markers import Marker
from taskengine.media.sets import plan_sets
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import Folder

PLAN: Final = "plan.json"  # in the workspace: it may have thousands of segments
LATENESS: Final = 60.0  # seconds after its end that a clip waits for what is still being recorded
POLL: Final = 1.0  # seconds
CLOSE: Final = Fraction(1, 10)  # seconds between a marker and its segment's border
ORDER: Final = ("video", "audio")  # of tracks: the first one decides
TIMED, SPLICED = "--timed_metadata", "--splice_media"


@action("npvr.select")
async def select(
    context: Context,
    *,
    clips: list[JsonObject],
    source: dict[str, str],
    drm: list[str],
    enable_drm: bool = True,
    missing_content_limit: float = 5.0,
    package_options: str = f"{TIMED} {SPLICED}",
) -> JsonObject:
    """Choose the segments of archives that make an asset; `source` is {storage, root}."""
    selection = Selection(context)
    for place, clip in enumerate(clips):
        folder = await open_archive(context, **source, capture_id=clip["capture_id"])
        await selection.add(place, clip, folder)
    await selection.check(missing_content_limit)
    found = await selection.markers() if TIMED in package_options else []
    if SPLICED in package_options:
        await selection.tell_unspliced(found)
    plan = AssetPlan(selection.about(), selection.spans, found)
    path = context.scratch / PLAN
    await trio.Path(path).write_text(json.dumps(plan.to_json()), "utf-8")
    sets = plan_sets(drm, enable_drm=enable_drm)
    return {
        **await stage(context, [path]),
        "duration": round(float(sum((one.span.length for one in plan.spans), Time(0))), 3),
        "gaps": selection.gaps,
        "clear": sets.clear,
        "drm": list(sets.drm),
        "active": sets.active,
        "tracks": list(plan.tracks.values()),
    }


class Selection:
    """What was chosen of all clips so far."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.spans: list[PlannedSpan] = []
        self.gaps: list[JsonObject] = []
        self.missing = Time(0)
        self.tracks: dict[str, SourceTrack] = {}
        self._heard: list[tuple[ArchivedRange, Sequence[Span]]] = []

    async def add(self, place: int, clip: JsonObject, folder: Folder) -> None:
        """Raises PermanentFailure where nothing of it is there."""
        start, end = (read_moment(clip[key]).time for key in ("start", "end"))
        found = await self._read(place, start, end, folder)
        own = {name for name, row in found.segments.items() if row}
        if not self.tracks:
            kinds = sorted(found.tracks.items(), key=lambda one: ORDER.index(one[1].type))
            self.tracks = {name: one for name, one in kinds if name in own}
        if own and (lacks := self.tracks.keys() - own):
            told_lacks = ", ".join(sorted(lacks))
            raise PermanentFailure(
                f"clips[{place}]: there is no {told_lacks}, as in the first clip"
            )
        chosen = await trio.to_thread.run_sync(spans, found, list(self.tracks)) if own else []
        if not chosen:
            raise PermanentFailure(f"clips[{place}]: {clip['capture_id']} has nothing of its range")
        self.spans += [PlannedSpan(clip["capture_id"], one) for one in chosen]
        for gap in gaps(chosen, start, end):
            await self._lack(place, gap)
        shown = [Span(one.start, one.start + one.length) for one in chosen]
        self._heard.append((found, shown))

    async def _read(self, place: int, start: Time, end: Time, folder: Folder) -> ArchivedRange:
        """Once the archive has all of it, or will have no more."""
        index = ArchiveIndex(folder, self.context.scratch)
        about = await index.about()
        if not about:
            raise PermanentFailure(f"clips[{place}]: there is no archive {folder.complete}")
        while True:
            found = await index.read(start, end, _oldest(about))
            if found.end >= end - 1 or now() > end + Fraction(LATENESS):
                return found
            await trio.sleep(POLL)

    async def _lack(self, place: int, gap: Gap) -> None:
        self.missing += gap.end - gap.start
        first, last = (told(time, has_clock=True) for time in (gap.start, gap.end))
        self.gaps.append({"clip": place, "from": first, "to": last})
        seconds = float(gap.end - gap.start)
        await self.context.warn(f"Clip {place}: {first} to {last} is missing ({seconds:.3f} s)")

    async def check(self, limit: float) -> None:
        """Raises PermanentFailure if more is missing than may be."""
        if self.missing > Fraction(limit):
            raise PermanentFailure(
                f"{float(self.missing):.3f} s are missing in {len(self.gaps)} gaps,"
                f" missing_content_limit allows {limit:g} s"
            )

    def about(self) -> dict[str, JsonObject]:
        """What manifests tell of the tracks that the media does not."""
        return {
            name: {
                "language": one.language or "und",
                "kind": one.kind,
                "role": one.role,
                "description": one.name,
                "captions": ";".join(one.captions),
                "type": one.type,
                "name": name,
            }
            for name, one in self.tracks.items()
        }

    async def markers(self) -> list[Marker]:
        """Of what sources have signalled, at the times of the result."""
        found: list[Marker] = []
        at = Fraction(0)
        for recorded, shown in self._heard:
            known = await trio.to_thread.run_sync(breaks, recorded.signals)
            found += markers(heard(shown, at), *known)
            at += sum((one.length for one in shown), Fraction(0))
        return numbered(found)

    async def tell_unspliced(self, found: Sequence[Marker]) -> None:
        """Shared segments are not cut at markers: the encoder has to."""
        borders = {Fraction(0)}
        for planned in self.spans:
            at = max(borders)
            for _, one in planned.span.main:
                borders.add(at := at + seconds(one.length))
        inside = [one for one in found if min(abs(one.start - at) for at in borders) > CLOSE]
        if inside:
            await self.context.warn(
                f"{len(inside)} markers lie inside segments, which are shared and not cut"
            )


def _oldest(about: Any) -> Time:
    """What ended before it is not offered any more, and may go at any moment."""
    retention = about.get("retention")
    return Fraction(0) if retention is None else now() - Fraction(retention)
