"""Jobs, tasks and log lines with the keys of the contract, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from taskengine.api.responses import dumps
from taskengine.masking import masked_text
from taskengine.model import Job, JobDetails, JsonObject, LogLine, Task, TaskState
from taskengine.store.types import percent
from taskengine.times import format_time


def job_row(job: Job) -> JsonObject:
    """A row of a list: ten keys."""
    return {
        "id": job.id,
        "client": job.client,
        "workflow": job.workflow,
        "priority": job.priority,
        "position": job.position,
        **_course(job),
    }


def _course(job: Job) -> JsonObject:
    return {
        "created_at": format_time(job.created_at),
        "updated_at": format_time(job.updated_at),
        "queue_state": job.state.label,
        "failed": job.failed,
        "run_at": format_time(job.run_at),
    }


@dataclass(slots=True)
class TaskRows:
    """The tasks of a job as JSON, written page by page: it may have thousands."""

    rows: list[bytes] = field(default_factory=list)
    done: float = 0.0  # each task counts as one at most

    def add(self, tasks: Sequence[Task]) -> None:
        self.rows += [dumps(task_row(task)) for task in tasks]
        self.done += sum(1.0 if t.state is TaskState.SKIPPED else t.progress for t in tasks)


def job_details(details: JobDetails, parameters: bytes, tasks: TaskRows) -> bytes:
    """The single job: the contract's keys, then what the engine knows besides. Its parameters and
    tasks are JSON already, since they may be large."""
    job = details.job
    before = {
        "id": job.id,
        "client": job.client,
        "workflow": job.workflow,
        "priority": job.priority,
        "position": job.position,
        "top_of_queue": job.top_of_queue,
    }
    course = {
        **_course(job),
        "semaphore_url": job.semaphore_url and masked_text(job.semaphore_url),
        "persist": job.persist,
        "progress": percent(job.state, tasks.done, len(tasks.rows)),
    }
    behind = {
        "depends_on": list(details.depends_on),
        "rerun_of": details.rerun_of,
        "definition": job.digest,
    }
    text = b'%s,"parameters":%s,%s,"tasks":[%s],%s'
    parts = (dumps(before)[:-1], parameters, dumps(course)[1:-1])
    return text % (*parts, b",".join(tasks.rows), dumps(behind)[1:])


def task_row(task: Task) -> JsonObject:
    return {
        "id": task.id,
        "name": task.name,
        "action": task.action,
        "queue": task.queue,
        "state": task.state.label,
        "attempt": task.attempt,
        "progress": int(100 * task.progress),
        "error": task.error,
        "started_at": _time(task.started_at),
        "ended_at": _time(task.ended_at),
    }


def log_entry(line: LogLine) -> JsonObject:
    time = format_time(line.created_at)
    return {
        "id": line.id,
        "job_id": line.job_id,
        "severity": int(line.severity),
        "severity_description": line.severity.name,
        "progname": line.progname,
        "message": line.message,
        "created_at": time,
        "updated_at": time,  # lines do not change
        "task_id": line.task_id,
        "visible": line.visible,
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)
