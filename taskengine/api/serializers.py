"""Jobs, tasks and log lines with the keys of the contract, in its order."""

from __future__ import annotations

from datetime import datetime

from taskengine.api.responses import dumps
from taskengine.masking import masked_text
from taskengine.model import Job, JobDetails, JsonObject, LogLine, Task, TaskState
from taskengine.store.values import percent
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


def job_details(details: JobDetails, parameters: bytes) -> bytes:
    """The single job: the contract's keys, then what the engine knows besides. Its parameters are
    JSON already, since they may be large."""
    job = details.job
    before = {
        "id": job.id,
        "client": job.client,
        "workflow": job.workflow,
        "priority": job.priority,
        "position": job.position,
        "top_of_queue": job.top_of_queue,
    }
    behind = {
        **_course(job),
        "semaphore_url": job.semaphore_url and masked_text(job.semaphore_url),
        "persist": job.persist,
        "progress": job_progress(details),
        "tasks": [task_row(task) for task in details.tasks],
        "depends_on": list(details.depends_on),
        "rerun_of": details.rerun_of,
        "definition": job.digest,
    }
    return b'%s,"parameters":%s,%s' % (dumps(before)[:-1], parameters, dumps(behind)[1:])


def job_progress(details: JobDetails) -> int:
    """0 to 100, each task counting alike."""
    tasks = details.tasks
    done = [1.0 if task.state is TaskState.SKIPPED else task.progress for task in tasks]
    return percent(details.job.state, sum(done), len(done))


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
