"""What callbacks say: the bodies of the contract, from its sections on callbacks (A21 to A27)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from taskengine.model import JobDetails, JsonObject
from taskengine.texts import clean_json, words_of
from taskengine.times import format_time
from taskengine.workflows.scope import job_scope, scope
from taskengine.workflows.workflow import Workflow, callback_extras

START, COMPLETE, FAIL, END = "start", "complete", "fail", "end"
MAX_EXTRAS = 1 << 20  # characters of JSON that a workflow may add to its job callback
NAMESPACE = uuid.UUID("2c1d57b5-2c63-4d6c-8f0f-5d7a0e6b8a11")


class Named(Protocol):
    """What a callback says of its job."""

    @property
    def id(self) -> int: ...
    @property
    def client(self) -> str: ...
    @property
    def workflow(self) -> str: ...
    @property
    def content_id(self) -> str | None: ...


def webhook_id(lane_id: int, task_id: int, event: str) -> str:
    """The same on each try; what a receiver recognises a repeated delivery by."""
    return f"msg_{uuid.uuid5(NAMESPACE, f'{lane_id}-{task_id}-{event}').hex}"


def hears(events: Collection[str], event: str) -> bool:
    """Whether a lane that wants these events hears of this one; a lane that names none does."""
    return not events or event in events


def task_body(job: Named, task_id: int, name: str, event: str, message: str = "") -> JsonObject:
    """A task callback but for its `time`, which is that of sending."""
    return {
        "job_id": str(job.id),
        "task_id": str(task_id),
        "task_name": name,
        "workflow": job.workflow,
        "event": event,
        "content_id": job.content_id,
        "message": message,
        "time": None,
        "client": job.client,
    }


def job_body(
    job: Named, custom_data: object, failure: str | None, extras: JsonObject
) -> JsonObject:
    """The job callback but for its `time`. A failure takes the place of `message` (A27)."""
    return {
        "job_id": str(job.id),
        "status": "completed" if failure is None else "failed",
        "workflow": job.workflow,
        "content_id": job.content_id,
        "custom_data": custom_data,
        "message": "",
        **extras,
        **({} if failure is None else {"message": failure}),
        "time": None,
        "client": job.client,
    }


def sent_at(body: JsonObject, time: datetime) -> JsonObject:
    """The body as it goes out."""
    return {**body, "time": format_time(time)}


def render_extras(details: JobDetails, content: JsonObject | None) -> tuple[JsonObject, list[str]]:
    """What a workflow adds to its job callback, and what of it could not be rendered."""
    if content is None:
        return {}, []
    workflow = Workflow.from_content(content)
    results = {task.name: task.result for task in details.tasks if task.result is not None}
    names = scope(
        details.parameters, results, job_scope(details.job), details.facts, workflow.names
    )
    extras, problems = callback_extras(workflow, names)
    sayable, unsayable = _sayable(extras)
    return sayable, problems + unsayable


def _sayable(extras: JsonObject) -> tuple[JsonObject, list[str]]:
    """Those that JSON can say and a store can keep, and why the others are left out: the end of a
    job is never held up by what it would say."""
    kept: JsonObject = {}
    problems, room = [], MAX_EXTRAS
    for key, value in extras.items():
        try:
            cleaned = clean_json(value)
            length = len(json.dumps(cleaned, ensure_ascii=False, allow_nan=False))
        except (ValueError, TypeError, RecursionError) as error:
            problems.append(f"callback.{key}: {words_of(error)}")
            continue
        if length > room:
            problems.append(f"callback.{key}: too large, all are {MAX_EXTRAS} characters at most")
            continue
        kept[key] = cleaned
        room -= length
    return kept, problems
