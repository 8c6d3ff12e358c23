"""A clip that is recorded and opened by one task."""

from __future__ import annotations

from taskengine.actions.capture import follow, telling
from taskengine.actions.context import Context
from taskengine.actions.materials import bench_of
from taskengine.capture.clip import Clip
from taskengine.capture.showing import RecordedClip
from taskengine.capture.web import Web
from taskengine.model import PermanentFailure


async def recorded(context: Context, clip: Clip, web: Web | None = None) -> RecordedClip:
    """Record what a clip wants of its sources, and earlier attempts have not. Raises
    PermanentFailure if they have nothing of it."""
    following = follow(context, web or Web(context.http), clip)
    try:
        async with telling(context, [following]):
            await following.run()
    except PermanentFailure as failure:  # the job knows of a source, not of clips
        raise PermanentFailure(str(failure).replace(f"clip {clip.place}:", "source:")) from None
    folder, scratch = following.recording.folder, following.scratch
    return await RecordedClip.open(clip.place, folder, bench_of(context), scratch, {})
