"""Remixes: clips of files and streams, recorded, cut and joined into the tracks of one asset."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Final

from taskengine.actions.capture import FOLDER
from taskengine.actions.context import Context
from taskengine.actions.cutting import Cut
from taskengine.actions.missing import Missing
from taskengine.actions.registry import action
from taskengine.actions.remixed import ClipRecorder
from taskengine.actions.time_limits import time_limit
from taskengine.actions.together import together
from taskengine.capture.clip import Clip
from taskengine.capture.marking import numbered
from taskengine.capture.showing import RecordedClip, Shown
from taskengine.capture.web import Web
from taskengine.jobs.clip_markers import read_events
from taskengine.media.markers import Marker
from taskengine.media.sets import plan_sets
from taskengine.media.tracks import arrange, longest
from taskengine.model import JsonObject, PermanentFailure
from taskengine.remix.markers import Placed, SnappedEvent, marker, parted, snapped

LIVE_ALONE: Final = ("stream_start_time", "dvr_window_length")
FRAME: Final = Fraction(1, 20)  # seconds that a break may be longer than its clip without a line


@action("remix.record")
async def record(
    context: Context,
    *,
    clips: list[JsonObject],
    source: dict[str, str] | None = None,
    seconds: int = 0,
) -> JsonObject:
    """Record the sources of all clips in the job's workspace. Files of the client's own lie at
    `source`, {storage, root}; `seconds` is the time that one attempt may take, 0: any."""
    web = Web(context.http)
    recorders = [await _recorder(context, web, *one, source or {}) for one in enumerate(clips)]
    done = 0

    async def run(recorder: ClipRecorder) -> None:
        nonlocal done
        await recorder.run()
        done += 1
        await context.progress(done / len(recorders))

    with time_limit(seconds):
        await together(partial(run, one) for one in recorders)
    return {"recording": FOLDER, "clips": len(clips)}


async def _recorder(
    context: Context, web: Web, place: int, said: JsonObject, source: dict[str, str]
) -> ClipRecorder:
    """Raises BadInput for a path that leads out of the root of sources."""
    own = said.get("local_source")
    if own is None:
        return ClipRecorder(context, web, Clip.read(place, said))
    top, [path] = await context.open_files(**source, files=[own])
    return ClipRecorder(context, web, Clip.read(place, {**said, "source": path}), top)


@action("remix.cut")
async def cut(
    context: Context,
    *,
    recording: str,
    clips: list[JsonObject],
    drm: list[str],
    enable_drm: bool = True,
    seconds: int = 0,
    options: JsonObject | None = None,
) -> JsonObject:
    """Cut what was recorded to the clips, and join them: a file for each track. `seconds` as of
    remix.record; `options` are parameters that may be of no use here."""
    work = Remix(context, clips)
    folders = [context.workspace.below(recording).below(f"clip-{n}") for n in range(len(clips))]
    with time_limit(seconds):
        tracks = arrange(await work.tracks(folders))
        if not any(track.type == "video" for track in tracks):
            raise PermanentFailure("clips: there are no pictures in them")
        markers = await work.markers()
        placed = await work.placed(tracks)
    plan = plan_sets(drm, enable_drm=enable_drm)
    await _tell_left_out(context, options or {}, is_clear=plan.clear)
    return {
        "duration": round(longest(tracks), 3),
        "gaps": work.missing.told,
        "markers": [marker.to_json() for marker in markers],
        "tracks": [track.to_json() for track in placed],
        "clear": plan.clear,
        "drm": list(plan.drm),
        "active": plan.active,
    }


async def _tell_left_out(context: Context, options: JsonObject, *, is_clear: bool) -> None:
    if options.get("output_file") and not is_clear:
        await context.warn("output_file: no MP4 is made, it would be in the clear")
    for name in (name for name in LIVE_ALONE if options.get(name)):
        await context.warn(f"{name}: it is of use with live_compose alone")
    if options.get("cpix"):
        await context.warn("download_cpix: nothing is encrypted in this job, no key is taken")


class Remix(Cut):
    """Each clip says for itself whether frames matter, and where its breaks are; one of them may be
    the model."""

    def __init__(self, context: Context, clips: Sequence[JsonObject]) -> None:
        models = [n for n, clip in enumerate(clips) if clip.get("output_description")]
        super().__init__(
            context, True, Missing(None), lambda track: True, model=models[0] if models else 0
        )
        self.clips = clips
        self._events: dict[int, list[SnappedEvent]] = {}

    async def _seen(self, clip: RecordedClip) -> Shown:
        said = self.clips[clip.place]
        shown = await clip.look(accurate=bool(said.get("frame_accurate")))
        markers = said.get("markers") or {}
        best = shown.best
        if best is None or not (events := read_events(markers)):
            return shown
        found = list(snapped(best, events))
        length = sum((piece.end - piece.start for piece in best.pieces), Fraction(0))
        for place, one in enumerate(found):
            await self._check(f"clips[{clip.place}].markers.meta_events[{place}]", one, length)
        known = self._events[clip.place] = [one for one in found if one is not None]
        if not markers.get("frame_accurate"):
            return shown
        return parted(
            shown, [time for one in known for time in (one.start, one.end) if time is not None]
        )

    async def _check(self, name: str, one: SnappedEvent | None, length: Fraction) -> None:
        if one is None:
            raise PermanentFailure(f"{name}.presentation_time: it is behind the end of the clip")
        if one.end is None and one.event.end > length + FRAME:
            await self.context.warn(f"{name}.duration: the break ends with its clip")

    async def markers(self) -> list[Marker]:
        """Of advertising that the sources signal, and of the job's own."""
        found = await super().markers()
        at, model = Fraction(0), self._form
        for clip, shown, spans in zip(self._clips, self._shown, self._spans, strict=True):
            if (best := shown.best) is not None and model is not None:
                placed = Placed(best, spans, at, model)
                for one in self._events.get(clip.place, ()):
                    found.append(marker(placed, one, len(found) + 1))
            at += sum((span.length for span in spans), Fraction(0))
        return numbered(found)
