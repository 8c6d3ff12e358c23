"""Short words for what the promises do: a client's jobs, run by one instance after another."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from taskengine.model import (
    Attempt,
    Began,
    Callback,
    Client,
    Definition,
    Delivery,
    Ended,
    JobDetails,
    Lane,
    LaneResult,
    Outcome,
    Recorded,
    Severity,
    Submission,
    Written,
)
from taskengine.policy import SYSTEM
from taskengine.store import Ahead, Store
from taskengine.testing.times import NOON
from taskengine.workflows.workflow import Workflow

ACTION = "core.noop"
ONE, TWO = "http://one.test/hook", "http://two.test/hook"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


LATER = at(100)


def definition(*needs: Sequence[int], **fields: Any) -> Definition:
    """A workflow whose tasks, named a, b, c …, need those whose places are given."""
    names = "abcdefgh"
    tasks = [
        {
            "name": names[number],
            "action": fields.get("action", ACTION),
            "queue": fields.get("queue", "work"),
            "needs": [names[need] for need in before],
        }
        for number, before in enumerate(needs)
    ]
    extras: dict[str, Any] = {key: fields[key] for key in ("callback", "client") if key in fields}
    content: dict[str, Any] = {"workflow": fields.get("name", "demo"), "tasks": tasks, **extras}
    return Workflow.from_content(content).definition


SINGLE = definition([])
CHAIN = definition([], [0], [1])
PAIR = definition([], [])
DIAMOND = definition([], [0], [0], [1, 2])


def submission(plan: Definition | None = SINGLE, **fields: Any) -> Submission:
    given = {"client": "acme", "workflow": "demo", "submitted": {}, "lines": ()}
    return Submission(**{**given, **fields}, definition=plan)


@dataclass
class World:
    """A store with the clients acme and beta, room for many jobs, and an instance."""

    store: Store
    instance: int = 0

    async def settle(self) -> World:
        for name in ("acme", "beta"):
            await self.store.put_client(Client(name, "hash", options={"of": name}))
        await self.setting(SYSTEM, max_jobs=100)
        self.instance = await self.store.join("first", NOON)
        await self.store.offer(self.instance, "work", [ACTION])
        return self

    async def setting(self, scope: str, **values: int) -> None:
        for name, value in values.items():
            await self.store.put_setting(scope, name, str(value))

    async def submit(self, *batch: Submission, now: datetime = NOON) -> list[int]:
        return list(await self.store.submit(batch, now))

    async def admit(self, now: datetime = NOON, limit: int = 500) -> int:
        """As many as fit, up to a limit; how many."""
        number, more = 0, True
        while more and number < limit:
            admitted = await self.store.admit(self.instance, now, limit - number)
            number, more = number + admitted.number, admitted.more
        return number

    async def start(self, plan: Definition = SINGLE, **fields: Any) -> int:
        """A job that is started; its id."""
        [job_id] = await self.submit(submission(plan, **fields))
        assert await self.admit() == 1
        return job_id

    async def claim(
        self,
        limit: int = 10,
        now: datetime = NOON,
        instance: int | None = None,
        ahead: int = 0,
    ) -> list[Attempt]:
        given = (instance or self.instance, "work", [ACTION], limit, uuid.uuid4(), now)
        claimed = await self.store.claim(*given, Ahead(ahead, [ACTION]))
        return list(claimed.attempts)

    async def record(self, *records: Any, instance: int | None = None) -> Recorded:
        last = max(getattr(record, "at", NOON) for record in records)
        recorded = await self.store.record(instance or self.instance, records, last)
        await self.cascade(last)
        return recorded

    async def cascade(self, now: datetime = NOON) -> None:
        """All steps: who waits for jobs that are over is told."""
        while (await self.store.cascade(now)).more:
            pass

    async def perform(self, job_id: int) -> None:
        """Run all tasks of a job, one after another; each writes a line."""
        while attempts := await self.claim(1):
            fence = attempts[0].fence
            assert fence.job_id == job_id
            await self.record(
                Began(fence, NOON), Written(fence, NOON, "at work"), done(attempts[0])
            )

    async def job(self, job_id: int) -> JobDetails:
        details = await self.store.job(job_id)
        assert details is not None
        return details

    async def states(self, job_id: int) -> list[str]:
        """Of the job and its tasks."""
        details = await self.job(job_id)
        return [details.job.state.label, *(task.state.label for task in details.tasks)]

    async def lines(self, job_id: int, *, show_all: bool = True) -> list[tuple[str, int, str]]:
        return [
            (line.progname, line.task_id, line.message)
            async for page in self.store.log(job_id, show_all=show_all)
            for line in page
        ]

    async def lanes(
        self, now: datetime = NOON, limit: int = 32, busy: Sequence[str] = ()
    ) -> list[Lane]:
        lanes, _ = await self.store.claim_lanes(self.instance, limit, busy, now)
        return list(lanes)

    async def deliver(self, *lanes: Lane, now: datetime = NOON) -> None:
        """All that waits in the lanes, with success."""
        await self.store.deliver(
            self.instance,
            [delivered(lane, lane.callbacks, now) for lane in lanes if lane.callbacks],
        )

    async def events(self, now: datetime = LATER) -> dict[str, list[str]]:
        """What each URL hears, until nothing is left."""
        heard: dict[str, list[str]] = {}
        while lanes := await self.lanes(now):
            for lane in lanes:
                heard.setdefault(lane.url, []).extend(one.event for one in lane.callbacks)
            await self.deliver(*lanes, now=now)
        return heard


def done(attempt: Attempt, when: datetime = NOON, **result: Any) -> Ended:
    return Ended(
        attempt.fence, when, Outcome.COMPLETED, result=json.dumps(result) if result else None
    )


def failed(attempt: Attempt, error: str = "boom", when: datetime = NOON) -> Ended:
    return Ended(attempt.fence, when, Outcome.FAILED, error=error)


def again(attempt: Attempt, due_at: datetime, error: str = "boom") -> Ended:
    return Ended(attempt.fence, NOON, Outcome.RETRY, error=error, due_at=due_at)


def released(attempt: Attempt, when: datetime = NOON) -> Ended:
    return Ended(attempt.fence, when, Outcome.RELEASED)


def lost(attempt: Attempt, error: str | None = None) -> Ended:
    return Ended(attempt.fence, NOON, Outcome.LOST, error=error)


def delivery(lane: Lane, number: int, when: datetime) -> LaneResult:
    return delivered(lane, lane.callbacks[number : number + 1], when)


def delivered(lane: Lane, callbacks: Sequence[Callback], when: datetime) -> LaneResult:
    """All of these callbacks, with success."""
    tries = [Delivery(one.id, when, delivered=True, status=204) for one in callbacks]
    return LaneResult(lane.fence, tries)


def refusal(lane: Lane, when: datetime, due_at: datetime | None) -> LaneResult:
    tried = Delivery(lane.callbacks[0].id, when, False, 500, "no", due_at)
    return LaneResult(lane.fence, [tried])


LINE = (Severity.INFO, "api", "received")
