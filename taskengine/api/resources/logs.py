"""GET /logs/<id>: a job's log, streamed page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from quart import Response

from taskengine.api.auth import find_job, only_client
from taskengine.api.openapi.answers import LOG_LINE
from taskengine.api.openapi.listing import FLAG_TEXT
from taskengine.api.openapi.operation import Access, Answer, Operation, Parameter, list_of
from taskengine.api.query import Query
from taskengine.api.replies import dumps
from taskengine.api.routes import Route, job_number
from taskengine.api.services import Services
from taskengine.api.shapes import log_entry
from taskengine.model import JsonObject, LogLine

LINE_ID: JsonObject = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "default": 0}
LOG = Operation(
    summary="The log of a job",
    tag="jobs",
    answer=Answer("The lines, the earliest first.", list_of(LOG_LINE)),
    access=Access.PUBLIC_READ,
    parameters=[
        Parameter("show_all", "1: also lines that are not visible.", FLAG_TEXT),
        Parameter("after", "Only what stands behind the line with this id.", LINE_ID),
    ],
    errors={400: "The id, or `after`, is no number.", 404: "There is no such job."},
)


@dataclass(frozen=True, slots=True)
class Logs:
    services: Services

    async def log(self, job_id: str) -> Response:
        only = await only_client(self.services)
        query = Query.of_request()
        show_all, after = query.flag("show_all"), query.number("after") or 0
        number = job_number(job_id)
        await find_job(self.services, number, only)
        pages = self.services.store.log(number, show_all=show_all, after=after)
        # An outage is still an answer here, not a broken stream. A list: anext() of Python 3.11
        # fails with a tuple as default.
        first: Sequence[LogLine] = await anext(pages, [])
        response = Response(_array(first, pages), content_type="application/json")
        response.timeout = None  # as long as its reader takes
        return response


async def _array(
    first: Sequence[LogLine], pages: AsyncIterator[Sequence[LogLine]]
) -> AsyncGenerator[bytes, None]:
    """The text of a JSON array, a piece for each page."""
    separator = b"["
    async with aclosing(pages):  # type: ignore[type-var]
        page: Sequence[LogLine] | None = first
        while page is not None:
            if page:
                yield separator + b",".join(dumps(log_entry(line)) for line in page)
                separator = b","
            page = await anext(pages, None)
    yield b"[]" if separator == b"[" else b"]"


def routes(services: Services) -> Sequence[Route]:
    return [Route("GET", "/logs/<job_id>", Logs(services).log, LOG)]
