"""What people are shown of the store in PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from taskengine.model import JsonText, LogLine, Task, TaskState
from taskengine.policy import Band
from taskengine.store.overview import (
    HourOfEnds,
    InstanceView,
    TaskAtWork,
    TaskSummary,
    hour_of,
)
from taskengine.store.postgres.admit import running_jobs
from taskengine.store.postgres.rows import line_of, task_of, visible_from
from taskengine.store.postgres.runner import Runner

LAST = 2**63 - 1  # no line has this id


@dataclass(slots=True)
class Overview(Runner):
    """See taskengine.store.overview.StoreOverview."""

    async def some_tasks(
        self, job_id: int, limit: int, *, after: int = -1, state: TaskState | None = None
    ) -> Sequence[Task]:
        rows = await self._fetch("some_tasks", job_id, after, limit, state)
        return [task_of(row) for row in rows]

    async def task(self, job_id: int, name: str) -> Task | None:
        rows = await self._fetch("task_by_name", job_id, name)
        return task_of(rows[0]) if rows else None

    async def task_summary(self, job_id: int) -> TaskSummary:
        rows = await self._fetch("task_summary", job_id)
        starts = [row["started_at"] for row in rows if row["started_at"] is not None]
        ends = [row["ended_at"] for row in rows if row["ended_at"] is not None]
        return TaskSummary(
            counts={TaskState(row["state"]): row["n"] for row in rows},
            done=sum(row["done"] for row in rows),
            started_at=min(starts, default=None),
            ended_at=max(ends, default=None),
        )

    async def task_result(self, job_id: int, name: str, most: int) -> tuple[JsonText | None, int]:
        for row in await self._fetch("task_result", job_id, name, most):
            text = row["result"]
            return None if text is None else JsonText(text), row["size"]
        return None, 0

    async def last_lines(
        self, job_id: int, limit: int, *, show_all: bool = False, before: int | None = None
    ) -> Sequence[LogLine]:
        last = LAST if before is None else before
        rows = await self._fetch("last_lines", job_id, visible_from(show_all), last, limit)
        return [line_of(row) for row in rows]

    async def instances(self) -> Sequence[InstanceView]:
        return [InstanceView(**row) for row in await self._fetch("instances")]

    async def at_work(self, limit: int, client: str | None = None) -> Sequence[TaskAtWork]:
        return [
            TaskAtWork(
                task_of(row), row["holder"], row["client"], row["workflow"], row["content_id"]
            )
            for row in await self._fetch("at_work", limit, client)
        ]

    async def ends_since(self, start: datetime, client: str | None = None) -> Sequence[HourOfEnds]:
        ended, failed = Counter[datetime](), Counter[datetime]()
        for row in await self._fetch("ends_since", hour_of(start), client):
            ended[row["hour"]] += row["n"]
            failed[row["hour"]] += row["n"] if row["failed"] else 0
        return [HourOfEnds(hour, number, failed[hour]) for hour, number in ended.items()]

    async def slots_held(self) -> Mapping[tuple[str, Band], int]:
        return await self._run(running_jobs, single=True)

    async def oldest_queued(self) -> datetime | None:
        rows = await self._fetch("oldest_queued")
        return rows[0]["created_at"] if rows else None

    async def snapshot_since(self) -> datetime | None:
        [row] = await self._fetch("snapshot_since")
        since: datetime | None = row["since"]
        return since

    async def lanes_dead(self) -> int:
        [row] = await self._fetch("lanes_dead")
        return int(row["n"])

    async def oldest_waiting(self) -> Mapping[str, datetime]:
        return {row["queue"]: row["since"] for row in await self._fetch("oldest_waiting")}
