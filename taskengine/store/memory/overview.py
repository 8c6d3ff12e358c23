"""What people are shown of the store in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import trio

from taskengine.model import JobState, JsonText, LogLine, Task, TaskState
from taskengine.policy import Band
from taskengine.store.memory.rows import Rows, TaskRow
from taskengine.store.overview import (
    HourOfEnds,
    InstanceView,
    TaskAtWork,
    TaskSummary,
    hour_of,
)
from taskengine.texts import compact


class MemoryOverview(Rows):
    """See taskengine.store.overview.StoreOverview."""

    async def some_tasks(
        self, job_id: int, limit: int, *, after: int = -1, state: TaskState | None = None
    ) -> Sequence[Task]:
        await trio.lowlevel.checkpoint()
        tasks = [replace(row.task, result=None) for row in self._tasks_of(job_id)]
        wanted = [t for t in tasks if t.number > after and state in (None, t.state)]
        return wanted[:limit]

    async def task(self, job_id: int, name: str) -> Task | None:
        await trio.lowlevel.checkpoint()
        named = (row.task for row in self._tasks_of(job_id) if row.task.name == name)
        found = next(named, None)
        return found and replace(found, result=None)

    async def task_summary(self, job_id: int) -> TaskSummary:
        await trio.lowlevel.checkpoint()
        tasks = [row.task for row in self._tasks_of(job_id)]
        return TaskSummary(
            counts=Counter(task.state for task in tasks),
            done=sum(1.0 if t.state is TaskState.SKIPPED else t.progress for t in tasks),
            started_at=min((t.started_at for t in tasks if t.started_at), default=None),
            ended_at=max((t.ended_at for t in tasks if t.ended_at), default=None),
        )

    async def task_result(self, job_id: int, name: str, most: int) -> tuple[JsonText | None, int]:
        await trio.lowlevel.checkpoint()
        for row in self._tasks_of(job_id):
            if row.task.name == name and row.task.result is not None:
                text = compact(row.task.result)
                size = len(text.encode())
                return (JsonText(text) if size <= most else None), size
        return None, 0

    async def last_lines(
        self, job_id: int, limit: int, *, show_all: bool = False, before: int | None = None
    ) -> Sequence[LogLine]:
        await trio.lowlevel.checkpoint()
        lines = [
            line
            for line in self._lines
            if line.job_id == job_id
            and (show_all or line.visible)
            and (before is None or line.id < before)
        ]
        return lines[-limit:]

    async def instances(self) -> Sequence[InstanceView]:
        await trio.lowlevel.checkpoint()
        held = Counter(row.holder for row in self._tasks.values())
        return [
            InstanceView(
                number,
                peer.name,
                peer.joined_at,
                peer.lease,
                peer.dead,
                held[number],
                sorted(queue for instance, queue in self._offers if instance == number),
            )
            for number, peer in sorted(self._peers.items())
        ]

    async def at_work(self, limit: int, client: str | None = None) -> Sequence[TaskAtWork]:
        await trio.lowlevel.checkpoint()
        held = sorted((row for row in self._tasks.values() if row.holder), key=_began)
        found = []
        for row in held:
            job = self._jobs[row.task.job_id].job
            if client in (None, job.client):
                task, whose = replace(row.task, result=None), (job.client, job.workflow)
                found.append(TaskAtWork(task, row.holder or 0, *whose, job.content_id))
        return found[:limit]

    async def ends_since(self, start: datetime, client: str | None = None) -> Sequence[HourOfEnds]:
        await trio.lowlevel.checkpoint()
        ended, failed = Counter[datetime](), Counter[datetime]()
        for (hour, name, bad), number in sorted(self._ends.items()):
            if hour >= hour_of(start) and client in (None, name):
                ended[hour] += number
                failed[hour] += number if bad else 0
        return [HourOfEnds(hour, number, failed[hour]) for hour, number in ended.items()]

    async def slots_held(self) -> Mapping[tuple[str, Band], int]:
        await trio.lowlevel.checkpoint()
        rows = [row for row in self._jobs.values() if row.band is not None]
        return Counter((row.job.client, row.band) for row in rows if row.band is not None)

    async def oldest_queued(self) -> datetime | None:
        await trio.lowlevel.checkpoint()
        queued = [row.job for row in self._jobs.values() if row.job.state is JobState.QUEUED]
        return min((job.created_at for job in queued), default=None)

    async def lanes_dead(self) -> int:
        await trio.lowlevel.checkpoint()
        return sum(lane.dead for lane in self._lanes.values())

    async def oldest_waiting(self) -> Mapping[str, datetime]:
        await trio.lowlevel.checkpoint()
        first: dict[tuple[str, str, int], TaskRow] = {}
        for row in self._tasks.values():
            if row.task.state is TaskState.QUEUED and not row.task.failures:
                priority = self._jobs[row.task.job_id].job.priority
                first.setdefault((row.task.queue, row.task.action, priority), row)
        since: dict[str, datetime] = {}
        for (queue, *_), row in first.items():
            since[queue] = min(row.due_at, since.get(queue, row.due_at))
        return since


def _began(row: TaskRow) -> tuple[datetime | None, int]:
    return row.task.started_at or row.claimed_at, row.task.id
