"""GET /, /livez and /readyz: whether the engine is there and takes submissions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import trio
from quart import Response

from taskengine.api.errors import RETRY_AFTER, Draining
from taskengine.api.openapi.operation import CallerAccess, Operation, record
from taskengine.api.responses import reply
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.policy import SYSTEM

REQUEST_DEADLINE = 2  # seconds
ALIVE = Operation(
    summary="Whether the engine runs",
    tag="status",
    answer=record("Alive", result={"const": "alive"}),
    access=CallerAccess.PROBE,
    store=False,
)
READY = Operation(
    summary="Whether the engine takes submissions",
    tag="status",
    answer=record("Ready", result={"const": "ready"}),
    access=CallerAccess.PROBE,
)


@dataclass(frozen=True, slots=True)
class Status:
    services: Services

    async def alive(self) -> Response:
        return reply({"result": "alive"})

    async def ready(self) -> Response:
        """503 while the instance stops, or the database does not answer."""
        if self.services.leaving():
            raise Draining
        with trio.move_on_after(REQUEST_DEADLINE):
            await self.services.store.settings(SYSTEM)
            return reply({"result": "ready"})
        return reply({"error": "the database does not answer"}, 503, RETRY_AFTER)


def routes(services: Services) -> Sequence[Route]:
    status = Status(services)
    return [
        Route("GET", "/", status.alive, ALIVE),
        Route("GET", "/livez", status.alive, ALIVE),
        Route("GET", "/readyz", status.ready, READY),
    ]
