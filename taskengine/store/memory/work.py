"""Instances and admission in memory."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import trio

from taskengine.jobs.explanation import RANKED, Slots, WaitingState
from taskengine.messages import Topic
from taskengine.model import Ended, Fence, JobState, Outcome, Recorded, Task, TaskState
from taskengine.policy import (
    SYSTEM,
    TASKS_EACH,
    Band,
    Candidate,
    choose,
    few_enough,
    settings_of,
)
from taskengine.store import Admitted, Beat, Dismissed
from taskengine.store.completion import ENGINE_FELL, ENGINE_STOPPED, lost_with
from taskengine.store.memory.rows import COMPLETES, ENDS, Peer, StoredJob, TaskRow
from taskengine.store.memory.stalled import Stalled


class Work(Stalled):
    """Who works, and on which jobs."""

    async def join(
        self, name: str, now: datetime, lease: float = 0.0, process: uuid.UUID | None = None
    ) -> int:
        await trio.lowlevel.checkpoint()
        instance = self._next("instance")
        self._beats[instance] = 0
        self._peers[instance] = Peer(name, lease, process, now)
        return instance

    async def offer(self, instance: int, queue: str, actions: Collection[str]) -> None:
        await trio.lowlevel.checkpoint()
        self._check(instance)
        self._offers[instance, queue] = frozenset(actions)

    async def unserved(self) -> Sequence[tuple[str, str]]:
        await trio.lowlevel.checkpoint()
        tasks = [row.task for row in self._tasks.values()]
        return sorted({(one.queue, one.action) for one in tasks if self._is_unserved(one)})

    def _is_unserved(self, task: Task) -> bool:
        offers = [own for (_, queue), own in self._offers.items() if queue == task.queue]
        return task.state is TaskState.QUEUED and not any(task.action in own for own in offers)

    async def leave(self, instance: int, now: datetime, *, fallen: bool = False) -> None:
        await trio.lowlevel.checkpoint()
        if fallen:
            self._retire(instance, Outcome.LOST, ENGINE_FELL, now)
        else:
            self._retire(instance, Outcome.RELEASED, ENGINE_STOPPED, now)

    async def beat(self, instance: int) -> Beat:
        await trio.lowlevel.checkpoint()
        self._check(instance)
        if self._peers[instance].dead:
            raise Dismissed(instance)
        self._beats[instance] += 1
        held = self._held(instance)
        unwanted = [row for row in held if not self._jobs[row.task.job_id].wanted]
        return Beat(
            frozenset(row.fence for row in held),
            frozenset(row.fence for row in unwanted),
            frozenset(
                (lane.id, lane.claims) for lane in self._lanes.values() if lane.holder == instance
            ),
        )

    async def beats(self) -> Mapping[int, int | None]:
        await trio.lowlevel.checkpoint()
        return {instance: self._known_beat(instance) for instance in self._beats}

    def _known_beat(self, instance: int) -> int | None:
        return None if self._peers[instance].dead else self._beats[instance]

    async def leases(self) -> Mapping[int, float]:
        await trio.lowlevel.checkpoint()
        return {instance: peer.lease for instance, peer in self._peers.items()}

    async def rescue(self, instance: int, beat: int | None, now: datetime) -> Recorded | None:
        await trio.lowlevel.checkpoint()
        if instance not in self._beats or self._known_beat(instance) != beat:
            return None
        peer = self._peers[instance]
        fate = lost_with(instance, peer.name, peer.lease, known=peer.dead)
        before = set(self._cascades)
        ended = tuple(self._retire(instance, Outcome.LOST, fate, now, rescued=True))
        waited = bool(self._cascades.keys() - before)
        return Recorded(ended_jobs=ended, woken=True, scheduled=True, called=True, waited=waited)

    async def mark_over(self, instance: int, fences: Collection[Fence]) -> None:
        await trio.lowlevel.checkpoint()
        self._over[instance] = frozenset(fences)

    def _retire(
        self, instance: int, outcome: Outcome, fate: str, now: datetime, *, rescued: bool = False
    ) -> list[int]:
        """End what an instance holds, and forget it; the jobs that are over with that."""
        ended: list[int] = []
        over = self._over.pop(instance, frozenset())
        for row in self._held(instance):
            unbegun = row.ahead and row.task.started_at is None
            own = Outcome.RELEASED if unbegun or row.fence in over else outcome
            ended += self._end(row, Ended(row.fence, now, own, fate=fate), now, rescued=rescued)
        self._settle_edges(ended, now)
        self._forget(instance, now)
        return ended

    async def declare_dead(self, process: uuid.UUID) -> None:
        await trio.lowlevel.checkpoint()
        dead = [one for one in self._peers.values() if one.process == process and not one.dead]
        for peer in dead:
            peer.dead = True
        if dead:
            self._announce([Topic.DEATH])

    def _held(self, instance: int) -> list[TaskRow]:
        return [row for row in self._tasks.values() if row.holder == instance]

    def _forget(self, instance: int, now: datetime) -> None:
        self._beats.pop(instance, None)
        self._peers.pop(instance, None)
        self._offers = {key: own for key, own in self._offers.items() if key[0] != instance}
        for lane in self._lanes.values():
            if lane.holder == instance:
                lane.let_go(now)

    async def queue_due(self, now: datetime) -> tuple[int, datetime | None]:
        await trio.lowlevel.checkpoint()
        waiting = [
            row
            for row in self._jobs.values()
            if self._queues_due
            and row.job.state is JobState.SCHEDULED
            and (row.job.semaphore_url is None or row.job.gate_open)
        ]
        due = [row for row in waiting if row.job.run_at <= now]
        for row in due:
            row.job = replace(row.job, state=JobState.QUEUED, updated_at=now)
        later = [row.job.run_at for row in waiting if row.job.run_at > now]
        return len(due), min(later, default=None)

    async def admit(self, instance: int, now: datetime, limit: int = 500) -> Admitted:
        await trio.lowlevel.checkpoint()
        limits = {name: settings_of(own, client=True) for name, own in self._settings.items()}
        system = settings_of(self._settings.get(SYSTEM, {}))
        chosen = choose(self._candidates(), self._running(), system, limits)[:limit]
        few = few_enough(chosen, limit * TASKS_EACH)
        for candidate, band in few:
            self._start(self._jobs[candidate.id], band, now)
        jobs = [self._jobs[one.id].job for one, _ in few]
        waits = [(now - max(job.created_at, job.run_at)).total_seconds() for job in jobs]
        return Admitted(len(few), len(few) < len(chosen) or len(chosen) == limit, waits)

    def _candidates(self) -> list[Candidate]:
        return [
            Candidate(
                row.job.id,
                row.job.client,
                row.job.top_of_queue,
                row.job.priority,
                row.job.position,
                row.job.created_at,
                len(row.definition.plan) if row.definition else 0,
            )
            for row in self._jobs.values()
            if row.job.state is JobState.QUEUED
        ]

    def _running(self) -> Counter[tuple[str, Band]]:
        """How many jobs hold slots, by client and band."""
        return Counter(
            (row.job.client, row.band) for row in self._jobs.values() if row.band is not None
        )

    async def waiting_state(self, job_id: int) -> WaitingState | None:
        await trio.lowlevel.checkpoint()
        row = self._jobs.get(job_id)
        if row is None:
            return None
        edges = self._open_edges(child=job_id)
        ranks = {one.id: one.rank for one in self._candidates()}
        own = ranks.get(job_id)
        ahead = 0 if own is None else sum(rank < own for rank in ranks.values())
        tasks = self._tasks_of(job_id)
        return WaitingState(
            row.job,
            self._slots(SYSTEM),
            self._slots(row.job.client),
            min(ahead, RANKED),
            row.open_tasks,
            sum(task.task.state is TaskState.WORKING for task in tasks),
            sorted(edge.parent for edge in edges if edge.kind == COMPLETES),
            next((edge.parent for edge in edges if edge.kind == ENDS), None),
            row.gate_answer,
            row.gate_due_at,
            self._queues_due,
            sorted(edge.parent for edge in edges if edge.parent in self._cascades),
            [
                (one.task.name, one.task.action, one.task.queue)
                for one in tasks
                if self._is_unserved(one.task)
            ][:10],
        )

    def _slots(self, scope: str) -> Slots:
        settings = settings_of(self._settings.get(scope, {}), client=scope != SYSTEM)
        running: Counter[Band] = Counter()
        for (client, band), number in self._running().items():
            running[band] += number if scope in (SYSTEM, client) else 0
        return Slots(settings, running[Band.LOW], running[Band.HIGH])

    def _start(self, row: StoredJob, band: Band, now: datetime) -> None:
        assert row.definition is not None
        row.job = replace(row.job, state=JobState.STARTED, updated_at=now)
        row.band = band
        if row.open_tasks:  # it was paused: its tasks are written, and held
            self._let_go(row, now)
            return
        row.open_tasks = len(row.definition.plan)
        for number, planned in enumerate(row.definition.plan):
            state = TaskState.WAITING if planned.needs else TaskState.QUEUED
            task = Task(
                id=self._next("task"),
                job_id=row.job.id,
                number=number,
                name=planned.name,
                action=planned.action,
                queue=planned.queue,
                state=state,
            )
            needs = tuple(sorted(set(planned.needs)))  # each is met once
            self._tasks[task.id] = TaskRow(task, len(needs), needs, now)

    def _let_go(self, row: StoredJob, now: datetime) -> None:
        for task in self._tasks_of(row.job.id):
            if task.task.state is TaskState.WAITING and task.waits_for == 0:
                task.task = replace(task.task, state=TaskState.QUEUED)
                task.due_at = max(task.due_at, now)
