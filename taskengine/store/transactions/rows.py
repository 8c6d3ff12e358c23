"""Rows of the database as the nouns of the model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from taskengine.jobs.changes import OVER
from taskengine.model import (
    BadInput,
    Client,
    Job,
    JobState,
    JsonText,
    LogLine,
    Severity,
    Submission,
    Task,
    TaskState,
)
from taskengine.store.queries import queries

Row = Any  # asyncpg.Record
SQL = queries()


def dumped(value: object) -> str:
    """Raises BadInput for what JSON cannot say, as the database would."""
    if isinstance(value, JsonText):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the database refuses the data: {error}") from error


def columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows as the arrays that unnest() takes."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]


def job_of(row: Row) -> Job:
    return Job(
        id=row["id"],
        client=row["client"],
        workflow=row["workflow"],
        state=JobState(row["state"]),
        failed=row["failed"],
        priority=row["priority"],
        position=row["position"],
        top_of_queue=row["top_of_queue"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        run_at=row["run_at"],
        content_id=row["content_id"],
        semaphore_url=row["semaphore_url"],
        persist=row["persist"],
        digest=row["digest"],
        gate_open=row["gate_open"],
    )


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

    @property
    def wanted(self) -> bool:
        """Whether its tasks are to go on: it is not over, and no task has failed for good."""
        return self.state not in OVER and not self.failed


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
    )


def task_of(row: Row) -> Task:
    return Task(
        id=row["id"],
        job_id=row["job_id"],
        number=row["number"],
        name=row["name"],
        action=row["action"],
        queue=row["queue"],
        state=TaskState(row["state"]),
        attempt=row["attempt"],
        failures=row["failures"],
        rescues=row["rescues"],
        progress=row["progress"],
        error=row["error"],
        result=json.loads(row["result"]) if row["result"] is not None else None,
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )


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


Line = tuple[int, int, int, str, str, Any]  # job, task, severity, progname, message, time


def first_lines(job_id: int, one: Submission, now: Any) -> list[Line]:
    return [
        (job_id, 0, int(severity), progname, message, now)
        for severity, progname, message in one.lines
    ]


def visible_from(show_all: bool) -> int:
    return int(Severity.DEBUG if show_all else Severity.INFO)
