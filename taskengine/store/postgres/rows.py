"""Rows of the database as the nouns of the model."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from taskengine.model import (
    FINAL_STATES,
    BadInput,
    Client,
    Job,
    JobState,
    JsonText,
    LogLine,
    Severity,
    Task,
    TaskState,
)
from taskengine.store import Lines
from taskengine.store.postgres.queries import JOB, TASK, queries
from taskengine.texts import compact

Row = Any  # asyncpg.Record
SQL = queries()
_job_columns, _task_columns = itemgetter(*JOB), itemgetter(*TASK)
_new_job_values = attrgetter(*JOB[1:])


def dumped(value: object) -> str:
    """Raises BadInput for what JSON cannot say, as the database would."""
    if isinstance(value, JsonText):
        return value
    try:
        return compact(value)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the database refuses the data: {error}") from error


def columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows as the arrays that unnest() takes."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]


def job_of(row: Row) -> Job:
    number, client, workflow, state, *rest = _job_columns(row)
    return Job(number, client, workflow, JobState(state), *rest)


NewJob = tuple[Any, ...]  # as `put_jobs` takes it: the columns of NEW_JOB


def job_row(
    job: Job,
    request_id: uuid.UUID,
    lanes: int,
    key: str | None = None,
    digest: str | None = None,
) -> NewJob:
    return (*_new_job_values(job), request_id, lanes, key, digest)


@dataclass(slots=True)
class JobRow:
    """A locked job, as far as its attempts change it."""

    id: int
    client: str
    workflow: str
    state: int
    failed: bool
    open_tasks: int
    content_id: str | None
    has_lanes: bool
    updated_at: datetime  # its start, or its last change

    @property
    def wanted(self) -> bool:
        """Whether its tasks are to go on: it is not over, and no task has failed for good."""
        return self.state not in FINAL_STATES and not self.failed


def locked_job(row: Row) -> JobRow:
    return JobRow(
        id=row["id"],
        client=row["client"],
        workflow=row["workflow"],
        state=row["state"],
        failed=row["failed"],
        open_tasks=row["open_tasks"],
        content_id=row["content_id"],
        has_lanes=row["lanes"] > 0,
        updated_at=row["updated_at"],
    )


def task_of(row: Row) -> Task:
    """With its result where that was read with it."""
    result = row.get("result")
    columns = (*_task_columns(row), None if result is None else json.loads(result))
    number, job_id, place, name, action, queue, state, *rest = columns
    return Task(number, job_id, place, name, action, queue, TaskState(state), *rest)


def client_of(row: Row) -> Client:
    return Client(
        name=row["name"],
        key_hash=row["key_hash"],
        admin=row["admin"],
        options=json.loads(row["options"]),
        former_key_hash=row["former_key_hash"],
        former_until=row["former_until"],
    )


def line_of(row: Row) -> LogLine:
    return LogLine(
        id=row["id"],
        job_id=row["job_id"],
        task_id=row["task_id"],
        severity=Severity(row["severity"]),
        progname=row["progname"],
        message=row["message"],
        created_at=row["created_at"],
    )


class Line(NamedTuple):
    """A line of a log, as `put_lines` takes it."""

    job_id: int
    task_id: int
    severity: int
    progname: str
    message: str
    created_at: datetime


def lines_of(job_id: int, lines: Lines, now: datetime) -> list[Line]:
    """Of a job, not of a task."""
    return [
        Line(job_id, 0, int(severity), progname, message, now)
        for severity, progname, message in lines
    ]


def visible_from(show_all: bool) -> int:
    return int(Severity.DEBUG if show_all else Severity.INFO)
