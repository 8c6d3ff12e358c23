"""What templates see: the parameters, the results of tasks, the job and its client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from taskengine.model import Client, Job, JsonObject
from taskengine.times import format_time

CLIENT = ("name", "storage")
OWN = ("roots", "track_properties", "cpix_url")  # that a client may have
EARLY = ("client", "workflow", "priority", "created_at")  # of the job, known at its submission
JOB = ("id", *EARLY, "run_at")


def scope(
    parameters: JsonObject,
    results: Mapping[str, JsonObject],
    job: JsonObject,
    client: JsonObject,
    tasks: Iterable[str] = (),
) -> JsonObject:
    """What templates see. Of `tasks`, those without a result (skipped ones) are empty objects."""
    known: JsonObject = {name: {} for name in tasks} | dict(results)
    return {**parameters, "tasks": known, "job": job, "client": client}


def early_scope(client: str, workflow: str, priority: int, created_at: datetime) -> JsonObject:
    """What templates of defaults see as `job`: it is being submitted."""
    values = (client, workflow, priority, format_time(created_at))
    return dict(zip(EARLY, values, strict=True))


def job_scope(job: Job) -> JsonObject:
    """What templates see as `job`."""
    return {
        "id": job.id,
        "client": job.client,
        "workflow": job.workflow,
        "priority": job.priority,
        "created_at": format_time(job.created_at),
        "run_at": format_time(job.run_at),
    }


def client_scope(client: Client, storage: str) -> JsonObject:
    """What templates see as `client`; `storage` is for those without a default of their own (A47).
    Its `roots` are those that it has apart from the common ones."""
    options = client.options
    own = {name: options[name] for name in OWN if options.get(name)}
    return {"name": client.name, "storage": options.get("storage") or storage, **own}
