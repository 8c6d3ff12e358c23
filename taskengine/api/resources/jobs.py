"""GET /jobs and GET /jobs/<id>."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from quart import Response, request

from taskengine.api.auth import check_owner, find_job, only_client
from taskengine.api.heavy import READERS
from taskengine.api.json_body import is_heavy, masked_document
from taskengine.api.openapi.answers import JOB, JOB_ROW
from taskengine.api.openapi.listing import LISTED, ORDERS
from taskengine.api.openapi.operation import CallerAccess, Operation, ResponseSpec, list_of
from taskengine.api.paging import next_page, placed
from taskengine.api.query import Query, whole
from taskengine.api.responses import json_reply, reply
from taskengine.api.routes import Route, job_number, no_job
from taskengine.api.serializers import TaskRows, job_details, job_row
from taskengine.api.services import Services
from taskengine.model import BadInput, JobDetails, JobState
from taskengine.store import JobFilter

MAX_ITEMS = 1000
DEFAULT_ITEMS = 10
PAGES = """Where there are more jobs, the header `Link` names the next page (RFC 8288,
`rel="next"`), relative to the path of this request. A list is inspected as far as 20,000 jobs at a
time: if they did not fill the page, it is short or even empty, and the next goes on from there.
"""
LIST = Operation(
    summary="Jobs, the latest first unless asked otherwise",
    tag="jobs",
    description=PAGES,
    answer=ResponseSpec("The jobs.", list_of(JOB_ROW), optional=["Link"]),
    access=CallerAccess.PUBLIC_READ,
    parameters=LISTED,
    errors={400: "A parameter is invalid."},
)
ONE = Operation(
    summary="A job with its parameters and tasks",
    tag="jobs",
    answer=ResponseSpec("The job; secrets are masked.", JOB),
    access=CallerAccess.PUBLIC_READ,
    errors={400: "The id is not a number.", 404: "There is no such job."},
)
STATES = {str(int(state)): state for state in JobState} | {s.label: s for s in JobState}


@dataclass(frozen=True, slots=True)
class Jobs:
    services: Services

    async def many(self) -> Response:
        only = await only_client(self.services)
        query = Query.of_request()
        wanted = job_filter(query)
        if only is not None:
            check_owner(only, wanted.client or only)
            wanted = replace(wanted, client=only)
        page = await self.services.store.jobs(wanted)
        link = next_page(page, wanted, query, request.path)
        return reply([job_row(job) for job in page], headers=link)

    async def one(self, job_id: str) -> Response:
        only = await only_client(self.services)
        details = await find_job(self.services, job_number(job_id), only)
        parameters = await self.parameters(details)
        tasks = TaskRows()
        async for page in self.services.store.tasks(details.job.id):
            tasks.add(page)
        return json_reply(job_details(details, parameters, tasks))

    async def parameters(self, details: JobDetails) -> bytes:
        """What was submitted, the secrets masked. Raises NotFound."""
        text = await self.services.store.document(details.job.id, "submitted")
        if text is None:  # cleaned up a moment ago
            raise no_job(details.job.id)
        secrets = await self.services.secrets(details.job)
        if not is_heavy(text.encode()):
            return masked_document(text, secrets)
        return await self.services.heavy.run(READERS, masked_document, text, secrets)


def job_filter(query: Query) -> JobFilter:
    """What GET /jobs is asked for. Raises BadInput."""
    ids = [whole("job_ids", text) for text in query.texts("job_ids")]
    if len(ids) > MAX_ITEMS:
        raise BadInput(f"job_ids: expected at most {MAX_ITEMS}")
    since, until = query.time("from"), query.time("to", end=True)
    # The same order as that of ids but for a moment, and of it a part can be read by itself.
    order = "id" if since is None and until is None else "created_at"
    wanted = JobFilter(
        limit=_limit(query, max(DEFAULT_ITEMS, len(ids))),
        order_by=_order(query.text("order_by") or order),
        ascending=query.flag("asc"),
        states=[_state(text) for text in query.texts("state")],
        failed=query.flag("failed") or None,  # 0: the filter is off
        since=since,
        until=until,
        search=query.text("search"),
        job_ids=ids,
        client=query.text("client"),
    )
    return placed(wanted, query)


def _limit(query: Query, default: int) -> int:
    """`items` and `limit` are the same (A2)."""
    wanted = f"a whole number from 1 to {MAX_ITEMS}"
    given = [(name, query.number(name, wanted)) for name in ("items", "limit")]
    for name, items in given:
        if items == 0:
            raise BadInput(f"{name}: expected {wanted}, got '0'")
    items, limit = (items for _, items in given)
    return min(items or limit or default, MAX_ITEMS)


def _order(text: str) -> str:
    if text.lower() not in ORDERS:
        raise BadInput(f"order_by: expected one of {', '.join(ORDERS)}, got {text[:40]!r}")
    return ORDERS[text.lower()]


def _state(text: str) -> JobState:
    if text.lower() not in STATES:
        known = ", ".join(f"{int(state)} ({state.label})" for state in JobState)
        raise BadInput(f"state: expected one of {known}, got {text[:40]!r}")
    return STATES[text.lower()]


def routes(services: Services) -> Sequence[Route]:
    jobs = Jobs(services)
    return [
        Route("GET", "/jobs", jobs.many, LIST),
        Route("GET", "/jobs/<job_id>", jobs.one, ONE),
    ]
