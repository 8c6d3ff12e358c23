"""Lists of jobs in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from taskengine.model import Job, JobState
from taskengine.store import JobFilter, Page
from taskengine.store.memory.tables import Tables

Place = Callable[[Job], tuple[Any, int]]


def list_jobs(tables: Tables, wanted: JobFilter) -> Page:
    """See StoreReads.jobs."""
    if wanted.searched_id is not None:
        one = tables.jobs.get(wanted.searched_id)
        if found := _page([one.job] if one else [], replace(wanted, search=None)):
            return found
    return _page(_in_order(tables, wanted), wanted)


def first_in_queue(tables: Tables, limit: int, client: str | None = None) -> Sequence[Job]:
    """See StoreReads.first_in_queue."""
    found = [
        row.job
        for row in tables.jobs.values()
        if row.job.state is JobState.QUEUED and client in (None, row.job.client)
    ]
    return sorted(found, key=_rank)[:limit]


def _in_order(tables: Tables, wanted: JobFilter) -> Sequence[Job]:
    """The jobs of that part of the order that is asked for."""

    def place(job: Job) -> tuple[Any, int]:
        return getattr(job, wanted.order_by), job.id

    after, jobs = wanted.after, [row.job for row in tables.jobs.values()]
    jobs.sort(key=place, reverse=not wanted.ascending)
    if wanted.before is not None:
        jobs = _before(tables, jobs, wanted.before, place)
    if after is None:
        return jobs
    behind = (after.value, after.id)
    return [
        job for job in jobs if (place(job) > behind if wanted.ascending else place(job) < behind)
    ]


def _before(tables: Tables, jobs: Sequence[Job], before: int, place: Place) -> list[Job]:
    """In the place of a job that is gone stands the one before it."""
    known = [row.job for job_id, row in tables.jobs.items() if job_id <= before]
    if not known:
        return []
    end = place(replace(max(known, key=lambda job: job.id), id=before))
    return [job for job in jobs if place(job) < end]


def _rank(job: Job) -> tuple[object, ...]:
    """The order of A11."""
    return (not job.top_of_queue, job.priority, job.position, job.created_at, job.id)


def _page(jobs: Sequence[Job], wanted: JobFilter) -> Page:
    """Where the list was not full as far as it was inspected, it goes on from there."""
    inspected = jobs[: wanted.inspected]
    fitting = [job for job in inspected if _fits(job, wanted)]
    page = Page(fitting[: wanted.limit])
    if len(fitting) > wanted.limit:
        page.next = wanted.cursor(page[-1])
    elif len(inspected) == wanted.inspected:
        page.next = wanted.cursor(inspected[-1])
    return page


def _fits(job: Job, wanted: JobFilter) -> bool:
    """The filters of GET /jobs; a refused job shows only where state 4 is asked for (A3)."""
    if wanted.failed is not None and (job.state, job.failed) != (JobState.COMPLETED, wanted.failed):
        return False
    if wanted.states:
        if job.state not in wanted.states:
            return False
    elif job.digest is None and not wanted.job_ids:
        return False
    return (
        (wanted.client is None or job.client == wanted.client)
        and (not wanted.job_ids or job.id in wanted.job_ids)
        and (wanted.since is None or job.created_at >= wanted.since)
        and (wanted.until is None or job.created_at <= wanted.until)
        and (wanted.search is None or _found(job, wanted.search))
    )


def _found(job: Job, search: str) -> bool:
    return job.content_id is not None and job.content_id.lower().startswith(search.lower())
