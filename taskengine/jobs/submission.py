"""From the body of POST /job to a job to record. Pure: no HTTP, no store, no clock.

What cannot be served is recorded all the same, with the reason (A3).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from taskengine.callbacks.options import CallbackOptions
from taskengine.jobs.clips import check_clips
from taskengine.jobs.fields import MAX_URL, OF_JOB, Fields
from taskengine.jobs.storages import prepare_for
from taskengine.masking import ALWAYS_SECRET, masked, masked_text
from taskengine.model import BadInput, Client, JsonObject, Severity, Submission
from taskengine.policy import latest_clip_end
from taskengine.texts import like
from taskengine.times import format_time, parse_time
from taskengine.workflows.library import Library
from taskengine.workflows.parameters import PreparedParameters, complete
from taskengine.workflows.schemas import shown
from taskengine.workflows.scope import client_scope, early_scope
from taskengine.workflows.workflow import MAX_TASKS, Workflow

KEY_NAMES = frozenset({"api-key", "api_key", "x-api-key", "x-auth-key"})
MAX_URLS = 100  # callback URLs of a job
MAX_CONTENT_ID = 255  # characters: it is indexed
MAX_WARNINGS = 100  # lines about undeclared parameters and fields
OF_BODY = ("client", "job", "parameters")
SHORT_CAPTURE = timedelta(seconds=60)  # a continuous one starts with its clip

COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Line = tuple[Severity, str, str]


@dataclass(frozen=True, slots=True)
class Received:
    """A body, whose it is, and how it came."""

    body: JsonObject
    owner: Client
    origin: JsonObject  # `path`, `remote_addr` and `headers` of its first log line
    problem: str | None = None  # why it is refused, whatever else it says
    query: Sequence[str] = ()  # names of query parameters, of which none is looked at
    repeated: Sequence[str] = ()  # keys that it has twice


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes jobs of submissions. `storage` is for clients without a default of their own (A47)."""

    library: Library
    storage: str
    now: datetime
    refuses: Callable[[str], bool] = lambda _: False  # whether callbacks never reach that URL
    storages: tuple[str, ...] = ("local",)  # that are configured

    def read(self, received: Received) -> Submission:
        """The job to record; its `refusal` says why it will not run."""
        body = received.body
        name = _workflow_name(body)
        workflow = self.library.find(received.owner.name, name)
        secrets = (workflow.secrets if workflow else ALWAYS_SECRET) | KEY_NAMES
        first = api_line(received.origin, body, secrets, "job_created")
        try:
            if received.problem is not None:
                raise BadInput(received.problem)
            _part(body, "job")  # where it is no object, that is the reason
            if workflow is None:
                known = ", ".join(self.library.names(received.owner.name))
                missing = f"there is no workflow {shown(name)}" if name else "required"
                raise BadInput(f"job.workflow: {missing}; there are {known}")
            if len(workflow.tasks) > MAX_TASKS:
                raise BadInput(f"job.workflow: {workflow.name} has more than {MAX_TASKS:,} tasks")
            return self._accepted(received, workflow, first)
        except BadInput as reason:
            error = (Severity.ERROR, "api", masked_text(str(reason)))
            lines = [first, *repetitions(received.repeated), error]
            return _refused(received, name, secrets, lines)

    def _accepted(self, received: Received, workflow: Workflow, first: Line) -> Submission:
        body, owner = received.body, received.owner
        job, given = Fields(_part(body, "job"), "job."), _parameters(body)
        wrong = job.problems()
        priority = 5 if wrong else job.priority()
        seen = client_scope(owner, self.storage)
        early = early_scope(owner.name, workflow.name, priority, self.now)
        try:
            scope = {"client": seen, "job": early}
            prepared = prepare_for(self.storages, workflow.parameters, given, scope)
        except BadInput as error:
            raise BadInput("; ".join([*wrong, str(error)])) from None
        if wrong:
            raise BadInput("; ".join(wrong))
        urls = _callback_urls(prepared.values)
        run_at = clip_rule(job.run_at(), prepared.values, workflow.clips, self.now)
        return Submission(
            client=owner.name,
            workflow=workflow.name,
            submitted=_part(body, "parameters"),
            lines=[
                first,
                *announced(run_at, self.now),
                *_unknown(received, job, prepared, workflow),
                *self._unreachable(urls),
            ],
            definition=workflow.definition,
            parameters=prepared.values,
            client_scope=seen,
            urls=urls,
            events=CallbackOptions.of(owner.options).events,
            **job.planning() | {"run_at": run_at},
            content_id=_content_id(prepared.values),
            depends_on=job.depends_on(),
        )

    def _unreachable(self, urls: Sequence[str]) -> Iterator[Line]:
        """What is said of callbacks that will wait until they are given up."""
        for url in filter(self.refuses, urls):
            told = f"No callback will reach {shown_url(url)}: the address is private"
            yield Severity.WARN, "api", f"{told}, and outbound_allow does not list it"


def shown_url(url: str) -> str:
    """Scheme, host and path: what is before the host, or behind the path, may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def clip_rule(
    explicit: datetime | None, parameters: JsonObject, clips: JsonObject | None, now: datetime
) -> datetime | None:
    """When a job may run (A17, A18): not before the last clip has ended."""
    check_clips(parameters, clips)
    try:
        end = latest_clip_end(parameters, clips) if clips else None
    except ValueError as error:
        raise BadInput(f"parameters.clips: {error}") from None
    if end is None or end <= now or clips is None:
        return explicit
    if parameters.get("continuous_capture") is True:
        return explicit or continuous_start(min(_starts(parameters, clips), default=end), end)
    return max(explicit, end) if explicit else end


def clip_rule_of_text(
    explicit: datetime | None, parameters: str, clips: JsonObject | None, now: datetime
) -> datetime | None:
    return clip_rule(explicit, json.loads(parameters), clips, now)


def continuous_start(start: datetime, end: datetime) -> datetime:
    """When a capture that goes on until `end` starts (`workflows.md` 1.4)."""
    length = end - start
    return start if length < SHORT_CAPTURE else start + 0.8 * length


def _starts(parameters: JsonObject, clips: JsonObject) -> Iterator[datetime]:
    """The starts of the clips that name a UTC time."""
    for clip in parameters.get(clips["from"]) or ():
        with suppress(ValueError):
            text = str(clip.get(clips["start"]))
            if "-" in text:
                yield parse_time(text)


def _refused(
    received: Received, name: str, secrets: frozenset[str], lines: Sequence[Line]
) -> Submission:
    """Its secrets are masked for good: without a definition nobody can name them later."""
    given = received.body.get("parameters")
    content_id = None
    with suppress(BadInput):
        content_id = _content_id(_parameters(received.body))
    return Submission(
        client=received.owner.name,
        workflow=masked_text(name)[:100],
        submitted=masked(given, secrets) if isinstance(given, dict) else {},
        lines=lines,
        content_id=content_id,
        refusal=lines[-1][2],
    )


def refused_data(submission: Submission, reason: str) -> Submission:
    """What can still be recorded of a submission whose data no database takes."""
    lines = [(Severity.ERROR, "api", reason)]
    return Submission(
        submission.client,
        "",
        {},
        lines,
        refusal=reason,
        request_id=submission.request_id,
        idempotency_key=submission.idempotency_key,
        body_digest=submission.body_digest,
    )


# Log lines


def api_line(origin: JsonObject, body: JsonObject, secrets: frozenset[str], payload: str) -> Line:
    """The api entry of `workflows.md` 5.5, with the complete body."""
    parameters = masked(body, secrets | KEY_NAMES)
    entry = {**origin, "parameters": parameters, "payload": payload}
    return Severity.INFO, "api", COMPACT.encode(entry)


def announced(run_at: datetime | None, now: datetime) -> list[Line]:
    """The line about a time that is to come."""
    if run_at is None or run_at <= now:
        return []
    told = format_time(run_at).removesuffix("Z")
    return [(Severity.INFO, "api", f'Job will run at: "{told}"')]


def repetitions(names: Sequence[str]) -> list[Line]:
    """What was written before the last one of a name says nothing."""
    texts = [f"Key '{name}' stands twice in an object: the last one counts" for name in names]
    return [(Severity.WARN, "api", text) for text in texts]


def _unknown(
    received: Received, job: Fields, prepared: PreparedParameters, workflow: Workflow
) -> Iterator[Line]:
    """What is misspelt, or stands twice, says nothing: a client would look for it in vain."""
    yield from repetitions(received.repeated)
    whose = f"is unknown to the workflow {workflow.name}"
    known: Collection[str] = ()
    if prepared.undeclared:
        known = [*complete(workflow.parameters)["properties"]]
    what = "is unknown"
    found: list[tuple[str, str, str, Collection[str]]] = [
        *(("Query parameter '", name, what, ()) for name in received.query),
        *(("Field '", name, what, ()) for name in received.body if name not in OF_BODY),
        *(("Field 'job.", name, what, OF_JOB) for name in job.values if name not in OF_JOB),
        *(("Parameter '", name, whose, known) for name in prepared.undeclared),
    ]
    for kind, name, said, alike in found[:MAX_WARNINGS]:  # a guess takes long: no more of them
        yield Severity.WARN, "api", f"{kind}{name[:100]}' {said}{like(name, alike)}"
    if more := found[MAX_WARNINGS:]:
        yield Severity.WARN, "api", f"{len(more)} more are unknown"


# Parts of the body


def _workflow_name(body: JsonObject) -> str:
    """`job.workflow`, else `parameters.workflow` (A42)."""
    for part in (body.get("job"), body.get("parameters")):
        if isinstance(part, dict) and part.get("workflow"):
            named = part["workflow"]
            return named if isinstance(named, str) else json.dumps(named)
    return ""


def _part(body: JsonObject, name: str) -> JsonObject:
    part = body.get(name)
    if part is None and name == "job":
        return {}
    if not isinstance(part, dict):
        raise BadInput(f"{name}: expected an object, got {shown(part)}")
    return part


def _parameters(body: JsonObject) -> JsonObject:
    """As they came, but for a content id that is a number."""
    given = _part(body, "parameters")
    content_id = given.get("content_id")
    if isinstance(content_id, int | float) and not isinstance(content_id, bool):
        return {**given, "content_id": json.dumps(content_id)}
    return given


def _content_id(values: JsonObject) -> str | None:
    content_id = values.get("content_id")
    if content_id is None:
        return None
    text = content_id if isinstance(content_id, str) else json.dumps(content_id)
    if len(text) > MAX_CONTENT_ID:
        raise BadInput(f"parameters.content_id: expected at most {MAX_CONTENT_ID} characters")
    return text


def _callback_urls(values: JsonObject) -> tuple[str, ...]:
    """Each once, in order."""
    urls = tuple(dict.fromkeys(values.get("rest_endpoints") or ()))
    if len(urls) > MAX_URLS or any(len(url) > MAX_URL for url in urls):
        limits = f"at most {MAX_URLS} URLs of at most {MAX_URL} characters"
        raise BadInput(f"parameters.rest_endpoints: expected {limits}")
    return urls
