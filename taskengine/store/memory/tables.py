"""All that the store in memory knows, and how its rows are found."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import datetime

import trio

from taskengine.fair_shares import Shares, weights_of
from taskengine.model import (
    Client,
    Definition,
    Fence,
    Job,
    JobEnd,
    JsonObject,
    LogLine,
    NotFound,
    TaskState,
)
from taskengine.pauses import Pause, PauseKind, paused
from taskengine.policy import Settings, settings_of
from taskengine.schedules import BUILT_IN, QUEUE_SCHEDULED_JOBS
from taskengine.store import Dismissed
from taskengine.store.memory.rows import (
    COMPLETES,
    Edge,
    ForecastRow,
    LaneRow,
    OperationRow,
    Peer,
    ScheduleRow,
    StoredJob,
    TaskRow,
)


class Tables:
    """What the modules beside this read and write."""

    def __init__(self) -> None:
        self._ids: Counter[str] = Counter()
        self.beats: dict[int, int] = {}
        self.peers: dict[int, Peer] = {}
        self.offers: dict[tuple[int, str], frozenset[str]] = {}  # actions by instance and queue
        self.over: dict[int, frozenset[Fence]] = {}  # marked attempts of each instance
        self.clients: dict[str, Client] = {}
        self.settings: dict[str, dict[str, str]] = {}
        self.virtual_times: dict[str, int] = {}  # of the system and of clients (fair_shares.py)
        self.definitions: dict[str, Definition] = {}
        self.jobs: dict[int, StoredJob] = {}
        self.requests: dict[uuid.UUID, int] = {}
        self.keys: dict[tuple[str, str], int] = {}  # client, idempotency key
        self.tasks: dict[int, TaskRow] = {}
        self.lanes: dict[int, LaneRow] = {}
        self.bodies: dict[int, tuple[int, bytes]] = {}  # of events, with their jobs
        self.edges: list[Edge] = []
        self.cascades: dict[int, int] = {}  # steps that each has had, by parent
        self.lines: list[LogLine] = []
        self.ended_tasks: Counter[TaskState] = Counter()
        self.ends: Counter[tuple[datetime, str, bool]] = Counter()  # by hour, client, failed
        self.job_ends: list[JobEnd] = []  # that record() has not told yet
        self.operations: dict[int, OperationRow] = {}
        self.forecasts: dict[int, ForecastRow] = {}  # by job
        self.told: dict[int, tuple[int, Job]] = {}  # jobs as news() saw them, by number
        self.listeners: set[trio.MemorySendChannel[str]] = set()
        self.pauses: dict[tuple[str, str], Pause] = {}  # by kind and name
        self.schedules = {(one.client, one.name): ScheduleRow(one) for one in BUILT_IN}

    def next_id(self, kind: str) -> int:
        self._ids[kind] += 1
        return self._ids[kind]

    def last_id(self, kind: str) -> int:
        return self._ids[kind]

    @property
    def queues_due(self) -> bool:
        """Whether jobs are queued when they are due (A5)."""
        return self.schedules[None, QUEUE_SCHEDULED_JOBS].schedule.active

    def check_instance(self, instance: int) -> None:
        """Raises Dismissed for one that is not there."""
        if instance not in self.beats:
            raise Dismissed(instance)

    def job(self, job_id: int) -> StoredJob:
        """Raises NotFound."""
        if job_id not in self.jobs:
            raise NotFound(f"there is no job {job_id}")
        return self.jobs[job_id]

    def tasks_of(self, job_id: int) -> list[TaskRow]:
        return [row for row in self.tasks.values() if row.task.job_id == job_id]

    def fenced(self, instance: int, fence: Fence) -> TaskRow | None:
        """The task of an attempt, if the instance still holds it."""
        row = self.tasks.get(fence.task_id)
        if row is None or row.holder != instance or row.task.attempt != fence.attempt:
            return None
        return row

    def open_edges(self, *, parent: int | None = None, child: int | None = None) -> list[Edge]:
        return [
            edge
            for edge in self.edges
            if edge.open and parent in (None, edge.parent) and child in (None, edge.child)
        ]

    def waited_for(self) -> set[int]:
        """The jobs whose completion others wait for."""
        return {edge.parent for edge in self.open_edges() if edge.kind == COMPLETES}

    def options_of(self, job_id: int) -> JsonObject | None:
        """Of the job's client; None: it was removed."""
        client = self.clients.get(self.jobs[job_id].job.client)
        return client.options if client else None

    def limits(self, scope: str, *, client: bool) -> Settings:
        return settings_of(self.settings.get(scope, {}), client=client)

    def is_paused(self, kind: PauseKind, name: str, now: datetime) -> bool:
        return name in paused(self.pauses.values(), kind, now)

    @property
    def shares(self) -> Shares:
        """How clients share slots: not at all where no weight is set."""
        stored = {one: own["weight"] for one, own in self.settings.items() if "weight" in own}
        return Shares(weights_of(stored), self.virtual_times)

    def progress_of(self, job_id: int) -> tuple[float, int]:
        """How much of a job's tasks is done, and of how many."""
        tasks = [row.task for row in self.tasks_of(job_id)]
        done = [1.0 if task.state is TaskState.SKIPPED else task.progress for task in tasks]
        return sum(done), len(done)
