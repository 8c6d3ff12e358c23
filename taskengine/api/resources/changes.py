"""PUT and PATCH /job/<id>, and POST /jobs/<id>/rerun: what clients do to jobs they submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import trio
from quart import Response

from taskengine.api.auth import caller, find_job, given_key, owner, reach
from taskengine.api.documents import read_object, read_object_if_any
from taskengine.api.errors import Draining
from taskengine.api.openapi.bodies import UPDATE
from taskengine.api.openapi.operation import (
    NUMBER_AS_TEXT,
    TEXT,
    Answer,
    Operation,
    Parameter,
    list_of,
    record,
)
from taskengine.api.origin import origin
from taskengine.api.query import Query
from taskengine.api.replies import reply
from taskengine.api.routes import Route, job_number
from taskengine.api.services import Services
from taskengine.api.unread import unread, with_warnings
from taskengine.jobs.fields import GATE_NAMES, READERS, updates
from taskengine.jobs.submission import Line, Received, announced, api_line, clip_rule
from taskengine.masking import masked_text
from taskengine.model import BadInput, JobDetails, JsonObject, Severity, Submission
from taskengine.workflows.schemas import secret_names, shown

METHODS = ("PUT", "PATCH")
PATIENCE = 5  # seconds in which a change is answered, whatever happens
NO_JOB = "There is no such job."
DEFINITION = "definition"
ORIGINAL, CURRENT = DEFINITIONS = ("original", "current")  # of the rerun job, or in force now
UPDATES = (*READERS, *GATE_NAMES)
CHANGE = Operation(
    summary="Update, pause, resume or stop a job",
    tag="jobs",
    answer=record("Updated", ("warnings",), id=NUMBER_AS_TEXT, result=TEXT, warnings=list_of(TEXT)),
    lenient=True,
    body=UPDATE,
    errors={
        400: Answer(
            "The state of the job does not allow it, or the body cannot be read.",
            record("NotUpdated", ("id",), id=TEXT, error=TEXT),
        ),
        404: NO_JOB,
    },
)
RERUN = Operation(
    summary="Run a job again with the same parameters",
    tag="jobs",
    description="The original becomes broken. A second rerun answers with the id already made. It "
    "has the definition of the original, whatever has become of the workflow's file; with "
    "`definition=current`, in the query or the body, the one that is in force.",
    answer=Answer(
        "Accepted: `id` is that of the new job.",
        record(
            "Rerun",
            ("warnings",),
            id=NUMBER_AS_TEXT,
            result={"const": "accepted"},
            warnings=list_of(TEXT),
        ),
    ),
    lenient=True,
    parameters=[Parameter(DEFINITION, "Which one the new job has.", {"enum": [*DEFINITIONS]})],
    errors={
        400: "The job was refused or is broken, or the workflow in force refuses its parameters.",
        403: "It belongs to another client.",
        404: NO_JOB,
        413: "The body is too large.",
    },
)


@dataclass(frozen=True, slots=True)
class Changes:
    services: Services

    async def update(self, job_id: str) -> Response:
        given_key()
        try:
            number = job_number(job_id)
            body = await read_object()
            with trio.fail_after(PATIENCE):
                names = await self._update(number, body)
        except BadInput as refusal:
            return reply({"id": job_id[:40], "error": masked_text(str(refusal))}, 400)
        answer = {"id": str(number), "result": f"Performed updates: {', '.join(names)}"}
        return reply(with_warnings(answer, unread(body, UPDATES)))

    async def _update(self, number: int, body: JsonObject) -> Sequence[str]:
        """Change the fields that the body names; gives these names, in its order."""
        details = await self._own(number, body)
        changes, now = updates(body), self.services.now()
        content = await self._definition(details)
        if "run_at" in changes:
            clips = content.get("clips")
            changes["run_at"] = clip_rule(changes["run_at"], details.parameters, clips, now)
        lines = [_line(content, body, "job_updated"), *announced(changes.get("run_at"), now)]
        await self.services.store.change(number, changes, lines, now)
        self.services.changed()
        return list(changes)

    async def rerun(self, job_id: str) -> Response:
        if self.services.draining():
            raise Draining
        given_key()
        number = job_number(job_id)
        body = await read_object_if_any()
        wanted = _wanted_definition(body)
        with trio.fail_after(PATIENCE):
            details = await self._own(number, body)
            new = await self._rerun(details, body, wanted)
            warnings = unread(body, (DEFINITION,), (DEFINITION,)) + self._outdated(details, wanted)
        return reply(with_warnings({"id": str(new), "result": "accepted"}, warnings))

    async def _rerun(self, details: JobDetails, body: JsonObject, wanted: str) -> int:
        now, anew = self.services.now(), None
        if wanted == CURRENT and details.job.digest is not None:
            anew = await self._read_anew(details)
        line = _line(await self._definition(details), body, "job_created")
        whose = "of the original" if anew is None else "in force"
        digest = anew.definition.digest if anew and anew.definition else details.job.digest
        told = f"Runs job {details.job.id} again, by the definition {whose}: {digest}"
        lines = [line, *announced(details.job.run_at, now), (Severity.INFO, "api", told)]
        new = await self.services.store.rerun(details.job.id, lines, now, anew)
        self.services.changed()
        return new

    async def _read_anew(self, details: JobDetails) -> Submission:
        """What the workflow in force makes of the job's parameters. Raises BadInput."""
        job = details.job
        client = await self.services.store.client(job.client)
        if client is None:
            raise BadInput(f"definition: the client {job.client} was removed")
        body = {"job": {"workflow": job.workflow}, "parameters": details.submitted}
        submission = self.services.reader().read(Received(body, client, origin()))
        if submission.refusal is not None:
            raise BadInput(f"definition: {submission.refusal}")
        return submission

    def _outdated(self, details: JobDetails, wanted: str) -> list[str]:
        """What is said of a rerun by a definition that is in force no more."""
        job = details.job
        current = self.services.library().find(job.client, job.workflow)
        if wanted == CURRENT or (current and current.definition.digest == job.digest):
            return []
        changed = "was removed" if current is None else "has changed"
        return [
            f"the workflow {job.workflow} {changed} since job {job.id} was submitted: it runs again"
            " by its own definition; definition=current takes the one in force"
        ]

    async def _own(self, number: int, body: JsonObject) -> JobDetails:
        """The job, if whoever sent the request may change it."""
        client = await owner(self.services, await caller(self.services, body), body)
        return await find_job(self.services, number, reach(client))

    async def _definition(self, details: JobDetails) -> JsonObject:
        """A refused job has none."""
        digest = details.job.digest
        return (await self.services.store.definition(digest) if digest else None) or {}


def _wanted_definition(body: JsonObject) -> str:
    """Which one the new job is to have, from the query or the body. Raises BadInput."""
    given = Query.of_request().text(DEFINITION) or body.get(DEFINITION) or ORIGINAL
    if given not in DEFINITIONS:
        raise BadInput(f"definition: expected original or current, got {shown(given)}")
    return str(given)


def _line(content: Mapping[str, Any], body: JsonObject, payload: str) -> Line:
    return api_line(origin(), body, secret_names(content.get("parameters", {})), payload)


def routes(services: Services) -> Sequence[Route]:
    changes = Changes(services)
    paths = ("/job/<job_id>", "/jobs/<job_id>")  # they are the same (A1)
    return [
        *(Route(method, path, changes.update, CHANGE) for path in paths for method in METHODS),
        *(Route("POST", f"{path}/rerun", changes.rerun, RERUN) for path in paths),
    ]
