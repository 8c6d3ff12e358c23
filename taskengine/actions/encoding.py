"""Encoding the segments of a film, in as many tasks as there are workers for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from taskengine.actions.context import Context
from taskengine.actions.inspection import check_source
from taskengine.actions.materials import bench_of, fetch, local_name
from taskengine.actions.registry import action
from taskengine.actions.segmented import PLACES, SegmentedEncode
from taskengine.actions.vodstream import check_files
from taskengine.media.conform import undecodable
from taskengine.media.extensions import ENCODABLE, suffix
from taskengine.media.probe import probe_source
from taskengine.media.renditions import plan_film
from taskengine.model import JsonObject

_at_work: Final[Counter[int]] = Counter()  # tasks of each job that encode in this process


@action("vodstream.encode_segments")
async def encode_segments(
    context: Context,
    *,
    source: dict[str, str],
    files: list[str],
    encoding_profile: str,
    encoding_segment: float,
    others: list[str] | None = None,
    retries: int = 0,
) -> JsonObject:
    """Encode segments of the film that no other task of the job has begun; none of a short one."""
    check_files(files, others or [], encode_source=True)
    folder = await context.open_folder(**source)
    with _place(context.attempt.job.id) as is_free:
        if not is_free:
            await context.debug("this instance encodes as much of the film as it can")
            return {"encoded": 0}
        [name] = [file for file in files if suffix(file) in ENCODABLE]
        path = context.scratch / local_name(0, name)
        await fetch(context, folder, name, path, retries)
        bench = bench_of(context)
        media = await probe_source(bench, path, name)
        if undecodable(media, encoding_profile):
            return {"encoded": 0}  # the task that packages it says so
        film = await plan_film(bench, path, media, encoding_profile, encoding_segment)
        if film is None:
            return {"encoded": 0}
        await check_source(bench, path, name, media)
        encoded = await SegmentedEncode(context, film, name).help()
        await context.info(f"{name}: encoded {encoded} of {len(film.segments)} segments")
        return {"encoded": encoded}


@contextmanager
def _place(job_id: int) -> Iterator[bool]:
    """Whether there is a processor for one more task of a job; those without would keep workers
    from other jobs."""
    is_free = _at_work[job_id] < PLACES
    _at_work[job_id] += is_free
    try:
        yield is_free
    finally:
        _at_work[job_id] -= is_free
        if not _at_work[job_id]:
            del _at_work[job_id]
