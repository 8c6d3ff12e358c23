"""What the engine does now: what runs and where, what waits and since when, what failed lately."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from quart import Response

from taskengine.api.resources.pauses import Pauses
from taskengine.model import BadInput, Job, JobState
from taskengine.pauses import PauseKind
from taskengine.store import JobFilter, Totals
from taskengine.ui.asking import answers
from taskengine.ui.figures import chart_of, instances_of, jobs_by_state, queues_of, slots_of
from taskengine.ui.jobs import ListedJob, rows_of
from taskengine.ui.routes import PageRoute
from taskengine.ui.visit import Visit

ROWS = 10  # of each list


async def now(visit: Visit) -> Response:
    found = await answers(
        started=partial(_list, visit, JobState.STARTED, "id", ascending=True),
        queued=partial(_first, visit),
        scheduled=partial(_list, visit, JobState.SCHEDULED, "run_at", ascending=True),
        failed=partial(_list, visit, JobState.COMPLETED, "id", failed=True),
        oldest=partial(_oldest, visit),
        slots=partial(slots_of, visit),
        pauses=partial(Pauses(visit.services).seen_by, visit.client),
        hours=partial(chart_of, visit),
        instances=partial(instances_of, visit),
        totals=partial(_totals, visit),
    )
    totals = found.pop("totals")
    return visit.page(
        "now.html",
        kinds=[*PauseKind],
        totals=jobs_by_state(totals) if totals else {},
        queues=await queues_of(visit, totals) if totals else [],
        **found,
    )


async def _totals(visit: Visit) -> Totals | None:
    """For whoever sees all jobs."""
    return await visit.services.store.totals() if visit.only is None else None


async def _first(visit: Visit) -> Sequence[ListedJob]:
    """Of the queued jobs, those that are next."""
    return await rows_of(visit, await visit.services.store.first_in_queue(ROWS, visit.only))


async def _list(
    visit: Visit, state: JobState, order: str, *, ascending: bool = False, failed: bool = False
) -> Sequence[ListedJob]:
    wanted = JobFilter(
        ROWS,
        order,
        ascending=ascending,
        states=[state],
        failed=failed or None,
        client=visit.only,
    )
    return await rows_of(visit, await visit.services.store.jobs(wanted))


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
