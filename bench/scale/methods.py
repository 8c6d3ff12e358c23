"""What actors ask of the store, measured one call after the other."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bench.scale.block import NOBODY
from bench.scale.samples import Timings, timed
from bench.serving import CLIENT
from taskengine.actions import find_actions
from taskengine.model import (
    Attempt,
    Began,
    Definition,
    Delivery,
    Ended,
    Lane,
    LaneResult,
    Outcome,
    Submission,
)
from taskengine.policy import SYSTEM
from taskengine.store import Gate, GateAnswer
from taskengine.store.postgres import PostgresStore

MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Instance:
    """Does what the actors of an instance do, a job at a time."""

    store: PostgresStore
    definition: Definition
    id: int = 0
    actions: list[str] = field(default_factory=lambda: sorted(find_actions()))
    attempts: list[Attempt] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    gates: list[Gate] = field(default_factory=list)
    due: list[datetime] = field(default_factory=list)

    async def submit(self, **fields: object) -> None:
        one = Submission(CLIENT, "bench", submitted={}, lines=(), definition=self.definition)
        given = {"urls": (NOBODY,), **fields}
        await self.store.submit([replace(one, **given)], await self.now())

    async def now(self) -> datetime:
        return await self.store.time()

    async def admit(self) -> None:
        assert (await self.store.admit(self.id, await self.now(), 1)).number == 1

    async def claim(self) -> None:
        now = await self.now()
        claimed = await self.store.claim(self.id, "work", self.actions, 1, uuid.uuid4(), now)
        self.attempts += claimed.attempts
        assert claimed.attempts

    async def record(self) -> None:
        fence, now = self.attempts.pop().fence, await self.now()
        await self.store.record(
            self.id, [Began(fence, now), Ended(fence, now, Outcome.COMPLETED)], now
        )

    async def claim_lanes(self) -> None:
        lanes, _ = await self.store.claim_lanes(self.id, 1, (), await self.now())
        self.lanes += lanes
        assert lanes

    async def deliver(self) -> None:
        lane, now = self.lanes.pop(), await self.now()
        tries = [Delivery(one.id, now, True, 200) for one in lane.callbacks]
        await self.store.deliver(self.id, [LaneResult(lane.fence, tries)])

    async def queue_due(self) -> None:
        number, _ = await self.store.queue_due(self.due.pop(0))
        assert number == 1

    async def claim_gates(self) -> None:
        gates, _ = await self.store.claim_gates(1, (), await self.now(), MINUTE)
        self.gates += gates
        assert gates

    async def answer_gates(self) -> None:
        now = await self.now()
        await self.store.answer_gates([GateAnswer(self.gates.pop(), "HTTP 200", now, None)])

    async def clear_old_jobs(self) -> None:
        await self.store.clear_old_jobs(await self.now() - timedelta(hours=1), 1)

    async def join(self, samples: int) -> None:
        """Become an instance that has something to do."""
        self.id = await self.store.join("bench", await self.now())
        await self.store.put_setting(SYSTEM, "max_jobs", "100000")
        self.due = [await self.now() + number * MINUTE for number in range(1, samples + 2)]
        for due in self.due:
            await self.submit(run_at=due)
            await self.submit(semaphore_url="http://gate.test/")

    async def beat(self) -> None:
        await self.store.beat(self.id)

    async def totals(self) -> None:
        await self.store.totals()

    async def workspaces_in_use(self) -> None:
        await self.store.workspaces_in_use(range(1, 200), await self.now())


STEPS = (  # in an order in which each finds what it needs
    *("submit", "queue_due", "claim_gates", "answer_gates", "admit", "claim", "record"),
    *("claim_lanes", "deliver", "beat", "totals", "workspaces_in_use", "clear_old_jobs"),
)


async def measure_methods(
    stores: Sequence[PostgresStore], definition: Definition, samples: int
) -> Timings:
    """The times of each method. Each is given one job, task or lane, whatever waits besides."""
    instances = [Instance(store, definition) for store in stores]
    for one in instances:
        await one.join(samples)
    return {
        f"Store.{name}": await timed(samples, [getattr(one, name) for one in instances])
        for name in STEPS
    }
