"""GET /workflows and GET /workflows/<name>: what the caller can submit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quart import Response

from taskengine.api.auth import caller
from taskengine.api.openapi.operation import (
    ANY_OBJECT,
    TEXT,
    Operation,
    ResponseSpec,
    list_of,
    nullable,
    record,
)
from taskengine.api.responses import reply
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.model import JsonObject, NotFound
from taskengine.workflows.display import shown_definition

ROW: JsonObject = {
    "name": TEXT,
    "client": nullable(TEXT),
    "summary": TEXT,
    "tasks": list_of(TEXT),
    "required": list_of(TEXT),
}
LIST = Operation(
    summary="The workflows that the caller can submit",
    tag="workflows",
    answer=list_of(record("WorkflowRow", **ROW)),
)
ONE = Operation(
    summary="A workflow and its definition",
    tag="workflows",
    answer=ResponseSpec(
        "The workflow; secrets are masked.",
        record("Workflow", **ROW, digest=TEXT, definition=ANY_OBJECT),
    ),
    errors={404: "There is no such workflow."},
)


@dataclass(frozen=True, slots=True)
class Workflows:
    services: Services

    async def many(self) -> Response:
        client = await caller(self.services)
        library = self.services.library()
        usable = {w.name: library.find(client.name, w.name) for w in library.all()}
        return reply([found.overview for _, found in sorted(usable.items()) if found])

    async def one(self, name: str) -> Response:
        client = await caller(self.services)
        workflow = self.services.library().find(client.name, name)
        if workflow is None:
            raise NotFound(f"there is no workflow {name[:40]!r}")
        digest, shown = workflow.definition.digest, shown_definition(workflow.content)
        return reply({**workflow.overview, "digest": digest, "definition": shown})


def routes(services: Services) -> Sequence[Route]:
    workflows = Workflows(services)
    return [
        Route("GET", "/workflows", workflows.many, LIST),
        Route("GET", "/workflows/<name>", workflows.one, ONE),
    ]
