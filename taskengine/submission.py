"""From the body of POST /job to a job to record. Pure: no HTTP, no store, no clock.

What cannot be served is recorded all the same, with the reason (A3).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from taskengine.callbacks import client_scope
from taskengine.library import Library
from taskengine.model import BadInput, Client, Json, JsonObject, Severity, Submission
from taskengine.parameters import Prepared, prepare
from taskengine.policy import latest_clip_end
from taskengine.schemas import ALWAYS_SECRET, masked
from taskengine.times import format_time, parse_time
from taskengine.workflow import Workflow

GATE_NAMES = ("semaphore_url", "sempahore_url", "semphore_url")  # A4: the first is canonical
KEY_NAMES = frozenset({"api-key", "api_key", "x-api-key", "x-auth-key"})
MAX_URL = 2048  # characters
MAX_URLS = 100  # callback URLs of a job
MAX_CONTENT_ID = 255  # characters: it is indexed
MAX_POSITION = 2**31 - 1
MAX_WARNINGS = 100  # lines about undeclared parameters
SHORT_CAPTURE = timedelta(seconds=60)  # a continuous one starts with its clip

Line = tuple[Severity, str, str]


@dataclass(frozen=True, slots=True)
class Received:
    """A body, whose it is, and how it came."""

    body: JsonObject
    owner: Client
    origin: JsonObject  # `path`, `remote_addr` and `headers` of its first log line
    problem: str | None = None  # why the body could not be read as it was sent


@dataclass(frozen=True, slots=True)
class Reader:
    """`storage` is that of clients which have no default of their own (A47)."""

    library: Library
    storage: str
    now: datetime

    def read(self, received: Received) -> Submission:
        """The job to record; its `refusal` says why it will not run."""
        body = received.body
        name = _workflow_name(body)
        workflow = self.library.find(received.owner.name, name)
        secrets = (workflow.secrets if workflow else ALWAYS_SECRET) | KEY_NAMES
        first = _first_line(received, secrets)
        try:
            if received.problem is not None:
                raise BadInput(received.problem)
            if workflow is None:
                missing = f"there is no workflow {_shown(name)}" if name else "required"
                raise BadInput(f"job.workflow: {missing}")
            return self._accepted(body, received.owner, workflow, first)
        except BadInput as reason:
            return _refused(received, name, secrets, [first, (Severity.ERROR, "api", str(reason))])

    def _accepted(
        self, body: JsonObject, owner: Client, workflow: Workflow, first: Line
    ) -> Submission:
        job, given = _part(body, "job"), _parameters(body)
        if job.get("depends_on"):  # better than to run it too early
            raise BadInput("job.depends_on: not available in this version")
        priority = _integer(job, "priority", 1, 10, 5)
        facts = client_scope(owner.name, owner.options.get("storage") or self.storage)
        about = {"client": owner.name, "workflow": workflow.name, "priority": priority}
        about["created_at"] = format_time(self.now)
        prepared = prepare(workflow.parameters, given, {"client": facts, "job": about})
        run_at = self._run_at(_time(job, "run_at"), prepared.values, workflow)
        return Submission(
            client=owner.name,
            workflow=workflow.name,
            submitted=_part(body, "parameters"),
            lines=[first, *self._announced(run_at), *_undeclared(prepared, workflow)],
            definition=workflow.definition,
            parameters=prepared.values,
            facts=facts,
            urls=_callback_urls(prepared.values),
            priority=priority,
            position=_integer(job, "position", -MAX_POSITION, MAX_POSITION, 1),
            top_of_queue=_flag(job, "top_of_queue"),
            persist=_flag(job, "persist"),
            run_at=run_at,
            semaphore_url=gate_url(job),
            content_id=_content_id(prepared.values),
        )

    def _run_at(
        self, explicit: datetime | None, parameters: JsonObject, workflow: Workflow
    ) -> datetime | None:
        """The clip rule (A17, A18): not before the last clip has ended."""
        try:
            end = latest_clip_end(parameters, workflow.clips) if workflow.clips else None
        except ValueError as error:
            raise BadInput(f"parameters.clips: {error}") from None
        if end is None or end <= self.now or workflow.clips is None:
            return explicit
        if parameters.get("continuous_capture") is True:
            starts = _starts(parameters, workflow.clips)
            return explicit or continuous_start(min(starts, default=end), end)
        return max(explicit, end) if explicit else end

    def _announced(self, run_at: datetime | None) -> list[Line]:
        if run_at is None or run_at <= self.now:
            return []
        shown = format_time(run_at).removesuffix("Z")
        return [(Severity.INFO, "api", f'Job will run at: "{shown}"')]


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
        workflow=name[:100],
        submitted=masked(given, secrets) if isinstance(given, dict) else {},
        lines=lines,
        content_id=content_id,
        refusal=lines[-1][2],
    )


def refused_data(submission: Submission, reason: str) -> Submission:
    """What can still be recorded of a submission whose data no database takes."""
    lines = [(Severity.ERROR, "api", reason)]
    return Submission(submission.client, "", {}, lines, refusal=reason)


# Log lines


def _first_line(received: Received, secrets: frozenset[str]) -> Line:
    """The api entry of `workflows.md` 5.5, with the complete body."""
    entry = {
        **received.origin,
        "parameters": masked(received.body, secrets),
        "payload": "job_created",
    }
    return Severity.INFO, "api", json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


def _undeclared(prepared: Prepared, workflow: Workflow) -> Iterator[Line]:
    for name in prepared.undeclared[:MAX_WARNINGS]:
        text = f"Parameter '{name[:100]}' is unknown to the workflow {workflow.name}"
        yield Severity.WARN, "api", text
    if more := prepared.undeclared[MAX_WARNINGS:]:
        yield Severity.WARN, "api", f"{len(more)} more parameters are unknown to it"


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
        raise BadInput(f"{name}: expected an object, got {_shown(part)}")
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


# Fields of `job`: null and empty texts are as good as absent


def _integer(job: JsonObject, name: str, low: int, high: int, default: int) -> int:
    value = job.get(name)
    if value in (None, ""):
        return default
    number = _number(value)
    if number is None or number != int(number) or not low <= number <= high:
        wanted = f"a whole number from {low} to {high}"
        raise BadInput(f"job.{name}: expected {wanted}, got {_shown(value)}")
    return int(number)


def _number(value: Json) -> float | None:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,12}(\.0*)?\s*", value):
        return float(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _flag(job: JsonObject, name: str) -> bool:
    value = job.get(name)
    known = {"true": True, "1": True, "false": False, "0": False, "": False, "none": False}
    text = str(value).strip().lower()
    if isinstance(value, dict | list) or text not in known:
        raise BadInput(f"job.{name}: expected true or false, got {_shown(value)}")
    return known[text]


def _time(job: JsonObject, name: str) -> datetime | None:
    value = job.get(name)
    if value in (None, ""):
        return None
    try:
        return parse_time(value if isinstance(value, str) else _shown(value))
    except ValueError:
        wanted = "a time such as 2031-02-01T08:30:00.000"
        raise BadInput(f"job.{name}: expected {wanted}, got {_shown(value)}") from None


def gate_url(job: JsonObject) -> str | None:
    """The gate by its name or one of the misspellings that clients know (A4)."""
    given = {name: job[name] for name in GATE_NAMES if job.get(name) not in (None, "")}
    for name, value in given.items():
        if not isinstance(value, str) or not _is_http_url(value):
            raise BadInput(f"job.{name}: expected an http or https URL, got {_shown(value)}")
    return next(iter(given.values()), None)


def _is_http_url(text: str) -> bool:
    if len(text) > MAX_URL or re.search(r"[\s\x00-\x1f\x7f]", text):
        return False
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _shown(value: Json) -> str:
    """A value as messages show it: short, and of a structure only the kind."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"
