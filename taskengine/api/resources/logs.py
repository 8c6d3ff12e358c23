"""GET /logs/<id>: a job's log, streamed page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quart import Response

from taskengine.api.auth import find_job, only_client
from taskengine.api.openapi.answers import LOG_LINE
from taskengine.api.openapi.listing import FLAG_TEXT
from taskengine.api.openapi.operation import (
    CallerAccess,
    Operation,
    Parameter,
    ResponseSpec,
    list_of,
)
from taskengine.api.query import Query
from taskengine.api.responses import array_reply
from taskengine.api.routes import Route, job_number
from taskengine.api.serializers import log_entry
from taskengine.api.services import Services
from taskengine.model import JsonObject

LINE_ID: JsonObject = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "default": 0}
LOG = Operation(
    summary="The log of a job",
    tag="jobs",
    answer=ResponseSpec("The lines, the earliest first.", list_of(LOG_LINE)),
    access=CallerAccess.PUBLIC_READ,
    parameters=[
        Parameter("show_all", "1: hidden lines too.", FLAG_TEXT),
        Parameter("after", "Only lines after the line with this id.", LINE_ID),
    ],
    errors={400: "The id, or `after`, is not a number.", 404: "There is no such job."},
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
        return await array_reply(pages, log_entry)


def routes(services: Services) -> Sequence[Route]:
    return [Route("GET", "/logs/<job_id>", Logs(services).log, LOG)]
