"""GET /dashboard: what runs and what waits, over all clients or for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quart import Response

from taskengine.api.auth import check_owner, header, only_client
from taskengine.api.openapi.answers import JOB_ROW
from taskengine.api.openapi.operation import (
    COUNT,
    TEXT,
    CallerAccess,
    Operation,
    Parameter,
    list_of,
    nullable,
    record,
)
from taskengine.api.query import Query
from taskengine.api.responses import reply
from taskengine.api.routes import Route
from taskengine.api.serializers import job_row
from taskengine.api.services import Services
from taskengine.model import Job, JobState
from taskengine.policy import SYSTEM, own_settings, settings_of
from taskengine.store import JobFilter

MAX_ROWS = 1000  # of each list
DASHBOARD = Operation(
    summary="Running and waiting jobs",
    tag="status",
    answer=record(
        "Dashboard",
        max_jobs=nullable(COUNT),
        priority_slots=COUNT,
        started=list_of(JOB_ROW),
        queued=list_of(JOB_ROW),
        scheduled=list_of(JOB_ROW),
        version=TEXT,
    ),
    access=CallerAccess.PUBLIC_READ,
    parameters=[
        Parameter("client", "Only this client's jobs, if reads are public.", TEXT, "header"),
        Parameter("client", "Only this client's jobs, for any caller.", TEXT),
    ],
)


@dataclass(frozen=True, slots=True)
class Dashboard:
    services: Services

    async def dashboard(self) -> Response:
        only = await only_client(self.services)
        client = self._wanted(only)
        check_owner(only, client or "")
        store = self.services.store
        max_jobs, priority_slots = await self._slots(client)
        return reply(
            {
                "max_jobs": max_jobs,
                "priority_slots": priority_slots,
                "started": _rows(await self._jobs(JobState.STARTED, "id", client)),
                "queued": _rows(await store.first_in_queue(MAX_ROWS, client)),
                "scheduled": _rows(await self._jobs(JobState.SCHEDULED, "run_at", client)),
                "version": self.services.version,
            }
        )

    def _wanted(self, only: str | None) -> str | None:
        """Whose jobs: the header filters as in the contract, but where it is needed to say who
        asks, an admin sees all."""
        asked = Query.of_request().text("client")
        if asked is None and self.services.configuration.public_reads:
            asked = header("client") or None
        return asked or only

    async def _jobs(self, state: JobState, order: str, client: str | None) -> Sequence[Job]:
        wanted = JobFilter(MAX_ROWS, order, ascending=True, states=[state], client=client)
        return await self.services.store.jobs(wanted)

    async def _slots(self, client: str | None) -> tuple[int | None, int]:
        """The client's own values where it has any, else the system's (A13)."""
        values = {**await self.services.store.settings(SYSTEM)}
        if client is not None:
            values |= own_settings(await self.services.store.settings(client))
        settings = settings_of(values)
        return settings.max_jobs, settings.priority_slots


def _rows(jobs: Sequence[Job]) -> list[dict[str, object]]:
    return [job_row(job) for job in jobs]


def routes(services: Services) -> Sequence[Route]:
    return [Route("GET", "/dashboard", Dashboard(services).dashboard, DASHBOARD)]
