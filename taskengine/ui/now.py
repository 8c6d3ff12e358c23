"""What the engine does now: what runs and where, what waits and since when, what failed lately."""

from __future__ import annotations

from collections.abc import Sequence

from quart import Response

from taskengine.api.resources.pauses import Pauses
from taskengine.model import BadInput, Job, JobState
from taskengine.pauses import PauseKind
from taskengine.store import JobFilter
from taskengine.ui.figures import chart_of, instances_of, jobs_by_state, queues_of, slots_of
from taskengine.ui.jobs import rows_of
from taskengine.ui.routes import PageRoute
from taskengine.ui.visit import Visit

ROWS = 10  # of each list
TASKS = 100  # at work


async def now(visit: Visit) -> Response:
    store, only = visit.services.store, visit.only
    started = await _list(visit, JobState.STARTED, "id", ascending=True)
    queued = await store.first_in_queue(ROWS, only)
    scheduled = await _list(visit, JobState.SCHEDULED, "run_at", ascending=True)
    failed = await _list(visit, JobState.COMPLETED, "id", failed=True)
    tasks = await store.at_work(TASKS, only)
    totals = await store.totals() if only is None else None  # for whoever sees all of them
    return visit.page(
        "now.html",
        started=await rows_of(visit, started),
        queued=await rows_of(visit, queued),
        scheduled=await rows_of(visit, scheduled),
        failed=await rows_of(visit, failed),
        oldest=await _oldest(visit),
        slots=await slots_of(visit),
        pauses=await Pauses(visit.services).seen_by(visit.client),
        kinds=[*PauseKind],
        queues=await queues_of(visit, totals) if totals else [],
        instances=await instances_of(visit, tasks),
        tasks=tasks,
        totals=jobs_by_state(totals) if totals else {},
        hours=await chart_of(visit),
    )


async def _list(
    visit: Visit, state: JobState, order: str, *, ascending: bool = False, failed: bool = False
) -> Sequence[Job]:
    wanted = JobFilter(
        ROWS,
        order,
        ascending=ascending,
        states=[state],
        failed=failed or None,
        client=visit.only,
    )
    return await visit.services.store.jobs(wanted)


async def _oldest(visit: Visit) -> Job | None:
    """The queued job that was submitted first."""
    wanted = JobFilter(1, "id", ascending=True, states=[JobState.QUEUED], client=visit.only)
    found = await visit.services.store.jobs(wanted)
    return found[0] if found else None


async def pause(visit: Visit) -> Response:
    """Pause something, or end a pause."""
    fields = await visit.form()
    kind, name, wanted = (fields.get(key, "") for key in ("kind", "name", "do"))
    resource = Pauses(visit.services)
    if wanted == "on":
        warnings = await resource.put(fields, visit.client)
        said = " ".join([f"The {kind} {name} is paused.", *warnings])
    elif wanted == "off":
        await resource.remove(kind, name, visit.client)
        said = f"The {kind} {name} is paused no more."
    else:
        raise BadInput(f"do: there is no such action: {wanted[:40]!r}")
    return visit.back(fields, "./", said)


ROUTES = [PageRoute("GET", "/", now), PageRoute("POST", "/pauses", pause)]
