"""One operation of the document: what its route says, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from taskengine.api.openapi.operation import (
    COUNT,
    ERROR,
    TEXT,
    CallerAccess,
    Operation,
    ResponseSpec,
)
from taskengine.api.openapi.operation import Parameter as Given
from taskengine.model import Json, JsonObject

COMPONENTS = "#/components/schemas/"
NUMBER = {**COUNT, "examples": [123]}
IN_PATHS: JsonObject = {"job_id": NUMBER, "operation_id": NUMBER}  # others are texts
RETRY = ("Retry-After",)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes operations and gathers the components that they name."""

    public_reads: bool
    schemas: JsonObject = field(default_factory=dict)

    def operation(self, method: str, path: str, about: Operation) -> JsonObject:
        answers = {**self._implied(about), **_said(about)}
        written: JsonObject = {
            "operationId": re.sub(r"[^a-z0-9]+", "_", f"{method} {path}".lower()).strip("_"),
            "summary": about.summary,
            "tags": [about.tag],
            "security": self._security(about),
            "responses": {str(status): self._answer(answers[status]) for status in sorted(answers)},
        }
        written |= {"description": about.description} if about.description else {}
        if parameters := [*map(self._parameter, (*_of_path(path, about), *about.parameters))]:
            written["parameters"] = parameters
        if about.body is not None:
            content = {"application/json": {"schema": self._named(about.body)}}
            written["requestBody"] = {"required": True, "content": content}
        return written

    def _closed(self, about: Operation) -> bool:
        return about.access.closed(public_reads=self.public_reads)

    def _security(self, about: Operation) -> list[JsonObject]:
        key: JsonObject = {"api-key": []}
        if not self._closed(about):
            return []
        # A body may name the client in the header's place.
        return [{"client": [], **key}, *([key] if about.body is not None else [])]

    def _implied(self, about: Operation) -> dict[int, ResponseSpec]:
        words: dict[int, str] = {500: "Unexpected error."}
        if about.body is not None:
            words |= {413: "The body is too large.", 415: "The Content-Type is not JSON."}
        if self._closed(about):
            words[401] = "Credentials are missing or wrong."
            if about.body is not None or about.access is CallerAccess.PUBLIC_READ:
                words[403] = "It belongs to another client."
        elif about.access is CallerAccess.PUBLIC_READ:
            words[401] = "The credentials that came with a strange name of the engine are wrong."
            words[421] = "Without credentials: the setting `hosts` does not list this name."
        if about.body is None and about.access is not CallerAccess.PROBE:
            words[400] = "There is no such query parameter."
        answers = {status: ResponseSpec(text, ERROR) for status, text in words.items()}
        if about.access is not CallerAccess.PROBE:
            answers[429] = ResponseSpec("Too many requests.", ERROR, headers=RETRY)
        if about.store:
            answers[503] = ResponseSpec(
                "The database is not available, or the engine is stopping.", ERROR, headers=RETRY
            )
        return answers

    def _parameter(self, given: Given) -> JsonObject:
        return {
            "name": given.name,
            "in": given.place,
            "required": given.place == "path",
            "description": given.description,
            "schema": self._named(given.schema),
        }

    def _answer(self, answer: ResponseSpec) -> JsonObject:
        schema = self._named(answer.schema)
        content = {media: {"schema": schema} for media in (answer.media, *answer.other_media)}
        headers: JsonObject = {
            **{name: {"schema": TEXT, "required": True} for name in answer.headers},
            **{name: {"schema": TEXT} for name in answer.optional},
        }
        return {
            "description": answer.description,
            "content": content,
            **({"headers": headers} if headers else {}),
        }

    def _named(self, schema: Json) -> Json:
        """The schema with references in place of those parts of it that have a title."""
        if isinstance(schema, list):
            return [self._named(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        title = schema.get("title")
        if not isinstance(title, str):  # none, or a property of that name
            return {key: self._named(part) for key, part in schema.items()}
        made = {key: self._named(part) for key, part in schema.items() if key != "title"}
        if self.schemas.setdefault(title, made) != made:
            raise ValueError(f"two schemas have the title {title}")
        return {"$ref": COMPONENTS + title}


def _said(about: Operation) -> dict[int, ResponseSpec]:
    ok = (
        about.answer
        if isinstance(about.answer, ResponseSpec)
        else ResponseSpec("Done.", about.answer)
    )
    errors = {
        status: said if isinstance(said, ResponseSpec) else ResponseSpec(said, ERROR)
        for status, said in about.errors.items()
    }
    return {200: ok, **errors}


def names_in(path: str) -> list[str]:
    """The parameters of a route's path, such as /jobs/<job_id>."""
    return re.findall(r"<(?:[^:<>]+:)?([^<>]+)>", path)


def _of_path(path: str, about: Operation) -> Iterator[Given]:
    declared = {given.name for given in about.parameters if given.place == "path"}
    for name in names_in(path):
        if name not in declared:
            yield Given(name, name.replace("_", " "), IN_PATHS.get(name, TEXT), "path")
