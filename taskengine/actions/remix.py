"""Remixes: clips of files and streams, recorded, cut and joined into the tracks of one asset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf

import trio

from taskengine.actions.capture import FOLDER
from taskengine.actions.context import Context
from taskengine.actions.cutting import Cut
from taskengine.actions.missing import Missing
from taskengine.actions.registry import action
from taskengine.actions.remixed import ClipRecorder
from taskengine.actions.together import together
from taskengine.capture.clip import Clip
from taskengine.capture.showing import RecordedClip, Shown
from taskengine.capture.web import Web
from taskengine.media.sets import plan_sets
from taskengine.media.tracks import arrange, longest
from taskengine.model import JsonObject, PermanentFailure


@action("remix.record")
async def record(context: Context, *, clips: list[JsonObject], seconds: int = 0) -> JsonObject:
    """Record the sources of all clips in the job's workspace; `seconds` is the time that one
    attempt may take, 0: any."""
    web = Web(context.http)
    recorders = [ClipRecorder(context, web, Clip.read(*one)) for one in enumerate(clips)]
    done = 0

    async def run(recorder: ClipRecorder) -> None:
        nonlocal done
        await recorder.run()
        done += 1
        await context.progress(done / len(recorders))

    with time_limit(seconds):
        await together(partial(run, one) for one in recorders)
    return {"recording": FOLDER, "clips": len(clips)}


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
    if options.get("cpix"):
        await context.warn("download_cpix: nothing is encrypted in this job, no key is taken")


class Remix(Cut):
    """Each clip says for itself whether frames matter; one of them may be the model."""

    def __init__(self, context: Context, clips: Sequence[JsonObject]) -> None:
        models = [n for n, clip in enumerate(clips) if clip.get("output_description")]
        super().__init__(
            context, True, Missing(None), lambda track: True, model=models[0] if models else 0
        )
        self.clips = clips

    async def _seen(self, clip: RecordedClip) -> Shown:
        return await clip.look(accurate=bool(self.clips[clip.place].get("frame_accurate")))


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """What one attempt may take; 0: any time (A56). Raises PermanentFailure."""
    try:
        with trio.fail_after(seconds or inf):
            yield
    except trio.TooSlowError:
        raise PermanentFailure(
            f"remote_execute_timeout_seconds: it is not done after {seconds} s"
        ) from None
