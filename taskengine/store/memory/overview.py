"""What people are shown of the store in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from taskengine.model import JobState, JsonText, LogLine, Task, TaskState
from taskengine.store.memory.details import tasks
from taskengine.store.memory.lines import read_log
from taskengine.store.memory.rows import TaskRow
from taskengine.store.memory.tables import Tables
from taskengine.store.overview import (
    HourOfEnds,
    InstanceView,
    TaskAtWork,
    TaskSummary,
    hour_of,
)
from taskengine.texts import compact


def some_tasks(
    tables: Tables, job_id: int, limit: int, *, after: int = -1, state: TaskState | None = None
) -> Sequence[Task]:
    """See StoreOverview.some_tasks."""
    found = [t for t in tasks(tables, job_id) if t.number > after and state in (None, t.state)]
    return found[:limit]


def task(tables: Tables, job_id: int, name: str) -> Task | None:
    """See StoreOverview.task."""
    return next((task for task in tasks(tables, job_id) if task.name == name), None)


def task_summary(tables: Tables, job_id: int) -> TaskSummary:
    """See StoreOverview.task_summary."""
    found = tasks(tables, job_id)
    done, _ = tables.progress_of(job_id)
    return TaskSummary(
        counts=Counter(task.state for task in found),
        done=done,
        started_at=min((t.started_at for t in found if t.started_at), default=None),
        ended_at=max((t.ended_at for t in found if t.ended_at), default=None),
    )


def task_result(tables: Tables, job_id: int, name: str, most: int) -> tuple[JsonText | None, int]:
    """See StoreOverview.task_result."""
    for row in tables.tasks_of(job_id):
        if row.task.name == name and row.task.result is not None:
            text = compact(row.task.result)
            size = len(text.encode())
            return (JsonText(text) if size <= most else None), size
    return None, 0


def last_lines(
    tables: Tables, job_id: int, limit: int, *, show_all: bool = False, before: int | None = None
) -> Sequence[LogLine]:
    """See StoreOverview.last_lines."""
    lines = read_log(tables, job_id, show_all=show_all)
    return [line for line in lines if before is None or line.id < before][-limit:]


def instances(tables: Tables) -> Sequence[InstanceView]:
    """See StoreOverview.instances."""
    held = Counter(row.holder for row in tables.tasks.values())
    return [
        InstanceView(
            number,
            peer.name,
            peer.joined_at,
            peer.lease,
            peer.dead,
            held[number],
            sorted(queue for instance, queue in tables.offers if instance == number),
            peer.workflows,
        )
        for number, peer in sorted(tables.peers.items())
    ]


def at_work(tables: Tables, limit: int, client: str | None = None) -> Sequence[TaskAtWork]:
    """See StoreOverview.at_work."""
    held = sorted((row for row in tables.tasks.values() if row.holder), key=_began)
    found = []
    for row in held:
        job = tables.jobs[row.task.job_id].job
        if client in (None, job.client):
            task, whose = replace(row.task, result=None), (job.client, job.workflow)
            found.append(TaskAtWork(task, row.holder or 0, *whose, job.content_id))
    return found[:limit]


def ends_since(tables: Tables, start: datetime, client: str | None = None) -> Sequence[HourOfEnds]:
    """See StoreOverview.ends_since."""
    ended, failed = Counter[datetime](), Counter[datetime]()
    for (hour, name, bad), number in sorted(tables.ends.items()):
        if hour >= hour_of(start) and client in (None, name):
            ended[hour] += number
            failed[hour] += number if bad else 0
    return [HourOfEnds(hour, number, failed[hour]) for hour, number in ended.items()]


def oldest_waiting(tables: Tables) -> Mapping[str, datetime]:
    """See StoreOverview.oldest_waiting."""
    first: dict[tuple[str, str, int], TaskRow] = {}
    for row in tables.tasks.values():
        if row.task.state is TaskState.QUEUED and not row.task.failures:
            priority = tables.jobs[row.task.job_id].job.priority
            first.setdefault((row.task.queue, row.task.action, priority), row)
    since: dict[str, datetime] = {}
    for (queue, *_), row in first.items():
        since[queue] = min(row.due_at, since.get(queue, row.due_at))
    return since


def _began(row: TaskRow) -> tuple[datetime | None, int]:
    return row.task.started_at or row.claimed_at, row.task.id


def oldest_queued(tables: Tables) -> datetime | None:
    """See StoreOverview.oldest_queued."""
    queued = [row.job for row in tables.jobs.values() if row.job.state is JobState.QUEUED]
    return min((job.created_at for job in queued), default=None)


def lanes_dead(tables: Tables) -> int:
    """See StoreOverview.lanes_dead."""
    return sum(lane.dead for lane in tables.lanes.values())


def snapshot_since(tables: Tables) -> datetime | None:
    """See StoreOverview.snapshot_since."""
    return None
