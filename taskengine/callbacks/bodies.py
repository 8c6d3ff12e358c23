"""What callbacks say: the bodies of the contract, from its sections on callbacks (A21 to A27)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final, Protocol

from taskengine.model import Json, JsonObject
from taskengine.texts import clean_json, compact, is_clean, words_of
from taskengine.times import format_time
from taskengine.workflows.workflow import callback_extras

START, COMPLETE, FAIL, END = "start", "complete", "fail", "end"
LAST: Final = ("time", "client")  # in this order, whatever a workflow adds
OPEN_TIME: Final = b'"time":null'
MAX_EXTRAS = 1 << 20  # characters of JSON
NO_EXTRAS: Final[Mapping[str, str]] = {}
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


def task_body(
    job: Named, task_id: int, name: str, event: str, message: str = "", extras: str = ""
) -> str:
    """A task callback but for its `time`, which is that of sending. `extras` is a JSON object."""
    fields = {
        "job_id": str(job.id),
        "task_id": str(task_id),
        "task_name": name,
        "workflow": job.workflow,
        "event": event,
        "content_id": job.content_id,
        "message": message,
        **(json.loads(extras) if extras else {}),
        "time": None,
        "client": job.client,
    }
    return compact(fields)


def job_body(
    job: Named, failure: str | None, extras: Mapping[str, str] = NO_EXTRAS
) -> tuple[str, str | None]:
    """The job callback but for its `time`: what stands before the job's `custom_data`, which may be
    large, and what stands behind; None where that is no part of it. `extras` are JSON. A failure
    takes the place of `message` (A27)."""
    fields: dict[str, str | None] = {
        "job_id": compact(str(job.id)),
        "status": compact("completed" if failure is None else "failed"),
        "workflow": compact(job.workflow),
        "content_id": compact(job.content_id),
        "custom_data": None,
        "message": '""',
        **extras,
    }
    if failure is not None:
        fields["message"] = compact(failure)
    for name in LAST:
        fields.pop(name, None)
    fields |= {"time": "null", "client": compact(job.client)}
    texts = [(f"{compact(name)}:", value) for name, value in fields.items()]
    if fields["custom_data"] is not None:
        return "{" + ",".join(f"{name}{value}" for name, value in texts) + "}", None
    place = list(fields).index("custom_data")
    before = [f"{name}{value}" for name, value in texts[:place]]
    behind = [f"{name}{value}" for name, value in texts[place + 1 :]]
    return "{" + ",".join([*before, texts[place][0]]), "," + ",".join(behind) + "}"


def sent_at(body: bytes, time: datetime) -> bytes:
    """The body as it goes out. No text in it can look like the time that is still open, since
    quotes are escaped in texts; and only the client's name comes after it."""
    before, _, behind = body.rpartition(OPEN_TIME)
    return b"".join((before, b'"time":', compact(format_time(time)).encode(), behind))


def render_extras(
    callback: JsonObject, names: Mapping[str, Json]
) -> tuple[dict[str, str], list[str]]:
    """What a workflow adds to its job callback, as JSON, and what of it could not be rendered, said
    or kept: the end of a job is never held up by what it would say."""
    values, problems = callback_extras(callback, names)
    extras: dict[str, str] = {}
    room = MAX_EXTRAS
    for key, value in values.items():
        try:
            text = _kept(value)
        except (ValueError, TypeError, RecursionError) as error:
            problems.append(f"callback.{key}: {words_of(error)}")
            continue
        if len(text) > room:
            problems.append(f"callback.{key}: too large, all are {MAX_EXTRAS} characters at most")
            continue
        extras[key], room = text, room - len(text)
    return extras, problems


def _kept(value: Json) -> str:
    """As JSON that a store can keep. Most values are clean, and large ones take long to walk."""
    text = compact(value)
    return text if is_clean(text) else compact(clean_json(value))
