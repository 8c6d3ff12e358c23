"""GET /openapi.json: the whole document, made anew when the workflow files change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quart import Response

from taskengine.api.openapi.operation import ANY_OBJECT, CallerAccess, Operation, ResponseSpec
from taskengine.api.openapi.workflows import workflow_schemas
from taskengine.api.openapi.writer import Writer, names_in
from taskengine.api.responses import dumps
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.model import JsonObject
from taskengine.workflows.library import Library

ABOUT = """A job engine for video-on-demand workflows.

Input is read leniently: a number or a boolean may come as a string, the values of an enumeration
in any case of letters, and null counts as absent. Output has exactly the keys and formats given
here; times are UTC. `x-api-key` and `x-auth-key` are other names of the header `api-key`; where
there is a body, its key `client` may replace the header.
"""
HEADER: JsonObject = {"type": "apiKey", "in": "header"}
SCHEMES: JsonObject = {
    "client": {**HEADER, "name": "client", "description": "The client's name."},
    "api-key": {**HEADER, "name": "api-key", "description": "The client's key."},
}
READ = Operation(
    summary="This document",
    tag="about",
    answer=ResponseSpec("OpenAPI 3.1, with the workflows that every client may use.", ANY_OBJECT),
    access=CallerAccess.OPEN,
    store=False,
)


@dataclass(slots=True)
class Documentation:
    services: Services
    routes: Sequence[Route] = ()
    _made_of: Library | None = None
    _text: bytes = b""

    async def read(self) -> Response:
        library = self.services.library()
        if library is not self._made_of:
            self._text, self._made_of = dumps(self.content(library)), library
        return Response(self._text, content_type="application/json")

    def content(self, library: Library) -> JsonObject:
        """Of the workflows those of one client are its own affair."""
        writer = Writer(self.services.configuration.public_reads)
        paths = _paths(self.routes, writer)
        common = [workflow for workflow in library.all() if workflow.client is None]
        schemas = writer.schemas | workflow_schemas(
            common, sorted(self.services.configuration.storages)
        )
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Task Engine",
                "version": self.services.version,
                "description": ABOUT,
            },
            "paths": paths,
            "components": {"securitySchemes": SCHEMES, "schemas": dict(sorted(schemas.items()))},
        }


def _paths(routes: Sequence[Route], writer: Writer) -> JsonObject:
    paths: JsonObject = {}
    for route in routes:
        if route.about is not None:
            written = writer.operation(route.method, route.path, route.about)
            paths.setdefault(document_path(route.path), {})[route.method.lower()] = written
    return paths


def document_path(path: str) -> str:
    """/jobs/<job_id> as OpenAPI writes it: /jobs/{job_id}."""
    for name in names_in(path):
        start, _, rest = path.partition("<")
        path = f"{start}{{{name}}}{rest.partition('>')[2]}"
    return path


def with_document(services: Services, others: Sequence[Route]) -> list[Route]:
    """The routes and that of their document."""
    documentation = Documentation(services)
    documentation.routes = [*others, Route("GET", "/openapi.json", documentation.read, READ)]
    return [*documentation.routes]
