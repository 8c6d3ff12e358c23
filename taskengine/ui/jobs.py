"""The list of jobs: filters, search, pages by key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from quart import Response, request

from taskengine.api.paging import next_page
from taskengine.api.query import Query
from taskengine.api.resources.jobs import job_filter
from taskengine.model import BadInput, Job, JobState
from taskengine.store import Page
from taskengine.store.types import percent
from taskengine.ui.routes import PageRoute
from taskengine.ui.visit import Visit

ROWS = "50"
SIZES = ("50", "200", "1000")
STATES = ("started", "queued", "scheduled", "pending", "paused", "completed", "broken")
ORDERS = {
    "": "Newest first",
    "updated_at": "Last changed first",
    "run_at": "Latest run time first",
    "priority": "Lowest priority first",
}
PLACES = ("before", "cursor")  # of a page in the list
FILTERS = ("search", "state", "failed", "client", "from", "to", "job_ids")  # of bulk operations too
FIELDS = (*FILTERS, "order_by", "asc", "items", "limit")


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job as the list shows it, with its progress, 0 to 100, where a task of it is at work."""

    job: Job
    progress: int | None


async def jobs(visit: Visit) -> Response:
    problem, page, following = "", Page(), ""
    try:
        query = _query(visit.query)
        wanted = job_filter(query)
        visit.check_owner(wanted.client or visit.only or "")
        wanted = replace(wanted, client=visit.only or wanted.client)
        page = await visit.services.store.jobs(wanted)
        following = _target(next_page(page, wanted, query, request.path))
    except BadInput as error:
        problem = str(error)
    asked = {name: visit.query.text(name) or "" for name in FIELDS}
    return visit.page(
        "jobs.html",
        400 if problem else 200,
        rows=await rows_of(visit, page),
        problem=problem,
        following=following,
        asked=asked,
        further=any(visit.query.text(name) for name in PLACES),
        chips=_chips(asked),
        bulk=_bulk(visit.query),
        orders=ORDERS,
        sizes=SIZES,
        clients=await _clients(visit),
    )


async def rows_of(visit: Visit, page: Sequence[Job]) -> list[ListedJob]:
    progress: Mapping[int, tuple[float, int]] = {}
    if any(job.state is JobState.STARTED for job in page):
        progress = await visit.services.store.progress()
    return [ListedJob(job, _percent(job, progress)) for job in page]


def _percent(job: Job, progress: Mapping[int, tuple[float, int]]) -> int | None:
    if job.state is not JobState.STARTED or job.id not in progress:
        return None
    return percent(job.state, *progress[job.id])


def _query(given: Query) -> Query:
    values = {name: values for name, values in given.values.items() if any(values)}
    return Query({"items": [ROWS], **values})


def _bulk(given: Query) -> str:
    """The filters of what is shown, as the query of a bulk operation."""
    named = [(name, value) for name in FILTERS for value in given.values.get(name, ())]
    return urlencode([(name, value) for name, value in named if value])


def _target(headers: Mapping[str, str]) -> str:
    """Where a Link header leads."""
    found = re.match("<(.*?)>", headers.get("Link", ""))
    return found[1] if found else ""


def _chips(asked: Mapping[str, str]) -> list[tuple[str, str, bool]]:
    """States to filter by: word, target, and whether it is the one that is shown."""
    kept = {name: asked[name] for name in FIELDS if asked[name] and name not in ("state", "failed")}
    chips = [("all", kept, not (asked["state"] or asked["failed"]))]
    chips += [(state, {**kept, "state": state}, asked["state"] == state) for state in STATES]
    chips.insert(7, ("failed", {**kept, "failed": "1"}, bool(asked["failed"])))
    return [(word, f"jobs?{urlencode(values)}", chosen) for word, values, chosen in chips]


async def _clients(visit: Visit) -> list[str]:
    """Whose jobs an admin can choose."""
    if not visit.admin:
        return []
    return [client.name for client in await visit.services.store.clients()]


ROUTES = [PageRoute("GET", "/jobs", jobs, query=(*FIELDS, *PLACES))]
