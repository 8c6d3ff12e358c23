"""What templates see: the parameters, the results of tasks, the job and its client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from taskengine.model import Job, JsonObject
from taskengine.times import format_time

CLIENT = ("name", "storage")
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


def client_scope(name: str, storage: str) -> JsonObject:
    """What templates see as `client`; `storage` is its default storage type (A47)."""
    return {"name": name, "storage": storage}
