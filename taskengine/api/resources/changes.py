"""PUT and PATCH /job/<id>, POST /jobs/<id>/rerun and /retry: what clients do to jobs that they
submitted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from quart import Response

from taskengine.api.auth import find_job, owner_named, reach
from taskengine.api.heavy import READERS as READING
from taskengine.api.json_body import is_heavy, named
from taskengine.api.openapi.bodies import UPDATE
from taskengine.api.openapi.operation import (
    NUMBER_AS_TEXT,
    TEXT,
    Operation,
    Parameter,
    ResponseSpec,
    list_of,
    record,
)
from taskengine.api.query import Query
from taskengine.api.reception import Sent, received
from taskengine.api.responses import reply
from taskengine.api.routes import Route, job_number
from taskengine.api.services import Services
from taskengine.api.unread import unread, with_warnings
from taskengine.api.updating import UPDATES, Update, read_anew, read_update, update_lines
from taskengine.jobs.again import still_there
from taskengine.jobs.submission import announced, api_line, clip_rule_of_text
from taskengine.masking import masked_text
from taskengine.model import BadInput, Client, JobDetails, JsonObject, Severity, Submission
from taskengine.workflows.schemas import shown

METHODS = ("PUT", "PATCH")
NO_JOB = "There is no such job."
DEFINITION = "definition"
ORIGINAL, CURRENT = DEFINITIONS = ("original", "current")  # of the rerun job, or in force now
CHANGE = Operation(
    summary="Update, pause, resume or stop a job",
    tag="jobs",
    answer=record("Updated", ("warnings",), id=NUMBER_AS_TEXT, result=TEXT, warnings=list_of(TEXT)),
    lenient=True,
    body=UPDATE,
    errors={
        400: ResponseSpec(
            "The state of the job does not allow it, or the body cannot be read.",
            record("NotUpdated", ("id",), id=TEXT, error=TEXT),
        ),
        404: NO_JOB,
    },
)
RUN_AGAIN = ResponseSpec(
    "Accepted: `id` is the id of the new job.",
    record(
        "Rerun",
        ("warnings",),
        id=NUMBER_AS_TEXT,
        result={"const": "accepted"},
        warnings=list_of(TEXT),
    ),
)
WHICH = [Parameter(DEFINITION, "The definition of the new job.", {"enum": [*DEFINITIONS]})]
ERRORS: dict[int, str | ResponseSpec] = {
    403: "The job belongs to another client.",
    404: NO_JOB,
    413: "The body is too large.",
}
RERUN = Operation(
    summary="Run a job again with the same parameters",
    tag="jobs",
    description="The original becomes broken. A second rerun answers with the id already made. The "
    "new job has the definition of the original, even if the workflow's file has changed; with "
    "`definition=current`, in the query or the body, the current definition.",
    answer=RUN_AGAIN,
    lenient=True,
    parameters=WHICH,
    errors={
        400: "The job was refused, what it depends on came to nothing, or the workflow in force "
        "refuses its parameters.",
        **ERRORS,
    },
)
RETRY = Operation(
    summary="Run a job that failed or was stopped again, from the tasks that did not complete",
    tag="jobs",
    description="The new job has the results of the tasks that completed, and their files: these "
    "are kept for `retry_hours` (a setting) after the job's end. With `definition=current` the "
    "tasks that the current definition says otherwise run again, and all that need them. A second "
    "retry, or a rerun, answers with the id already made.",
    answer=RUN_AGAIN,
    lenient=True,
    parameters=WHICH,
    errors={
        400: "The job has not ended or has completed, was refused, or the files are gone.",
        **ERRORS,
    },
)


@dataclass(frozen=True, slots=True)
class Changes:
    services: Services

    async def update(self, job_id: str) -> Response:
        try:
            async with received(self.services) as sent:
                number = job_number(job_id)
                update, names = await self.apply(number, sent)
        except BadInput as refusal:
            return reply({"id": job_id[:40], "error": masked_text(str(refusal))}, 400)
        answer = {"id": str(number), "result": f"Performed updates: {', '.join(names)}"}
        return reply(with_warnings(answer, unread(update.unknown, UPDATES)))

    async def apply(self, number: int, sent: Sent) -> tuple[Update, Sequence[str]]:
        """Make the changes that a body names; gives their names, in its order. Raises BadInput,
        NotFound and Forbidden."""
        update = await sent.aside(read_update, sent.raw)
        return update, await self._update(number, sent, update)

    async def _update(self, number: int, sent: Sent, update: Update) -> Sequence[str]:
        """Change the fields that the body names; gives these names, in its order."""
        with sent.patience.counted():
            details = await self._own(number, sent.client, update.client)
            workflow = await self.services.workflow(details.job)
            secrets = await self.services.secrets(details.job)
        if update.problem is not None:
            raise BadInput(update.problem)
        changes, now = dict(update.changes), self.services.now()
        if "run_at" in changes:
            clips = workflow.clips if workflow else None
            changes["run_at"] = await self._run_at(number, changes["run_at"], clips)
        lines = await sent.aside(update_lines, sent.raw, sent.origin, secrets)
        lines = [*lines, *announced(changes.get("run_at"), now)]
        with sent.patience.counted():
            await self.services.store.change(number, changes, lines, now)
        self.services.changed()
        return list(changes)

    async def _run_at(
        self, number: int, explicit: datetime | None, clips: JsonObject | None
    ) -> datetime | None:
        """Not before the last clip has ended."""
        text = await self.services.store.document(number, "parameters") if clips else None
        if text is None:
            return explicit
        arguments = (explicit, text, clips, self.services.now())
        if not is_heavy(text.encode()):
            return clip_rule_of_text(*arguments)
        return await self.services.heavy.run(READING, clip_rule_of_text, *arguments)

    async def rerun(self, job_id: str) -> Response:
        return await self._answer(job_id, retries=False)

    async def retry(self, job_id: str) -> Response:
        return await self._answer(job_id, retries=True)

    async def _answer(self, job_id: str, *, retries: bool) -> Response:
        self.services.check_open()
        async with received(self.services, any_type=True) as sent:
            number, body = job_number(job_id), {}
            with suppress(BadInput):  # it needs none: what is no JSON object says nothing
                body = (await sent.document()).value
        new, outdated = await self.run_again(number, sent, body, retries=retries)
        warnings = unread(body, (DEFINITION,), (DEFINITION,)) + outdated
        return reply(with_warnings({"id": str(new), "result": "accepted"}, warnings))

    async def run_again(
        self, number: int, sent: Sent, body: JsonObject, *, retries: bool = False
    ) -> tuple[int, list[str]]:
        """Run a job again by the definition that the body wants, or go on with it; gives the new
        job's id, and what is to be said of that definition. Raises BadInput, NotFound and
        Forbidden."""
        wanted = _wanted_definition(body)
        with sent.patience.counted():
            details = await self._own(number, sent.client, named(body))
            new = await self._run_again(details, sent.origin, body, wanted, retries=retries)
        return new, self._outdated(details, wanted)

    async def _run_again(
        self,
        details: JobDetails,
        origin: JsonObject,
        body: JsonObject,
        wanted: str,
        *,
        retries: bool,
    ) -> int:
        now, anew = self.services.now(), None
        if wanted == CURRENT and details.job.digest is not None:
            anew = await self._read_anew(details, origin)
        secrets = await self.services.secrets(details.job)
        line = api_line(origin, body, secrets, "job_created")
        whose = "of the original" if anew is None else "in force"
        digest = anew.definition.digest if anew and anew.definition else details.job.digest
        told = f"Runs job {details.job.id} again, by the definition {whose}: {digest}"
        lines = [line, *announced(details.job.run_at, now), (Severity.INFO, "api", told)]
        again = self.services.store.retry if retries else self.services.store.rerun
        new = await again(details.job.id, lines, now, anew)
        self.services.changed()
        return new

    async def _read_anew(self, details: JobDetails, origin: JsonObject) -> Submission:
        """What the workflow in force makes of the job's parameters. Raises BadInput."""
        job = details.job
        client = still_there(await self.services.store.client(job.client), job.client)
        text = await self.services.store.document(job.id, "submitted")
        arguments = (self.services.reader(), client, origin, job.workflow, text or "{}")
        if is_heavy((text or "").encode()):
            return await self.services.heavy.run(client.name, read_anew, *arguments)
        return read_anew(*arguments)

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

    async def _own(self, number: int, sender: Client, name: str) -> JobDetails:
        """The job, if whoever sent the request may change it in the name of that client."""
        client = await owner_named(self.services, sender, name)
        return await find_job(self.services, number, reach(client))


def _wanted_definition(body: JsonObject) -> str:
    """Which one the new job is to have, from the query or the body. Raises BadInput."""
    given = Query.of_request().text(DEFINITION) or body.get(DEFINITION) or ORIGINAL
    if given not in DEFINITIONS:
        raise BadInput(f"definition: expected original or current, got {shown(given)}")
    return str(given)


def routes(services: Services) -> Sequence[Route]:
    changes = Changes(services)
    paths = ("/job/<job_id>", "/jobs/<job_id>")  # they are the same (A1)
    return [
        *(Route(method, path, changes.update, CHANGE) for path in paths for method in METHODS),
        *(Route("POST", f"{path}/rerun", changes.rerun, RERUN) for path in paths),
        *(Route("POST", f"{path}/retry", changes.retry, RETRY) for path in paths),
    ]
