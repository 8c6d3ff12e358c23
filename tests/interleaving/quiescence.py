"""A world is driven on with the ordinary methods until nothing is left to do."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

from taskengine.model import Delivery, Ended, Fence, JobState, LaneResult, Outcome, Record, Written
from taskengine.policy import SYSTEM
from taskengine.store import GateAnswer, JobFilter
from taskengine.store.postgres import PostgresStore
from taskengine.testing.contract.world import ACTION, at
from tests.interleaving.worlds import DEAD

END = at(10_000)  # every lease, pause and time of a job has come
ROUNDS = 15
HOLDERS = "select distinct holder from tasks where holder is not null order by holder"
UNFINISHED = [state for state in JobState if state not in (JobState.COMPLETED, JobState.BROKEN)]


async def drive(store: PostgresStore) -> list[str]:
    """What does not come to its end."""
    worker = await store.join("driver", END)
    await store.activate("queue_scheduled_jobs", None, True, END)
    for name, value in (("max_jobs", "2"), ("priority_slots", "0")):
        await store.put_setting(SYSTEM, name, value)
    beats = await store.beats()
    if DEAD in beats:
        await store.rescue(DEAD, beats[DEAD], END)
    for _ in range(ROUNDS):
        if not await _go_on(store, worker) and not (await store.cascade(END)).edges:
            await _deliver(store, worker)
            return []
    left = await store.jobs(JobFilter(states=UNFINISHED))
    return [f"job {job.id} stays {job.state.label} for ever" for job in left]


async def _go_on(store: PostgresStore, worker: int) -> bool:
    """A round of everybody's work; whether anything is unfinished."""
    left = await store.jobs(JobFilter(limit=100, states=UNFINISHED))
    waiting = {job.state for job in left}
    for job in left:
        if job.state is JobState.PAUSED:
            await store.change(job.id, {"queue_state": JobState.QUEUED}, [], END)
    if JobState.SCHEDULED in waiting:
        gates, _ = await store.claim_gates(64, [], END, timedelta(seconds=0))
        await store.answer_gates([GateAnswer(gate, "HTTP 200", END, None) for gate in gates])
        await store.queue_due(END)
    while (await store.cascade(END, 2)).more:
        pass
    if waiting - {JobState.STARTED}:
        await store.admit(worker, END)
    if left:
        await store.claim(worker, "work", [ACTION], 100, uuid.uuid4(), END)
    holders = await store.pool.run(lambda one: one.fetch(HOLDERS), single=True)
    for (instance,) in holders:
        beat = await store.beat(instance)
        await store.record(instance, _ends(beat.held, beat.unwanted), END)
    return bool(left or holders)


def _ends(held: frozenset[Fence], unwanted: frozenset[Fence]) -> list[Record]:
    records: list[Record] = []
    for fence in sorted(held, key=lambda one: one.task_id):
        outcome = Outcome.CANCELLED if fence in unwanted else Outcome.COMPLETED
        result = json.dumps({"attempt": fence.attempt})
        records += [Written(fence, END, "driven on"), Ended(fence, END, outcome, result)]
    return records


async def _deliver(store: PostgresStore, worker: int) -> None:
    for instance in await store.beats():
        if instance != worker:
            await store.leave(instance, END)
    while True:
        lanes, _ = await store.claim_lanes(worker, 64, [], END)
        if not lanes:
            return
        results = [
            LaneResult(lane.fence, [Delivery(one.id, END, True, 200) for one in lane.callbacks])
            for lane in lanes
            if lane.callbacks
        ]
        if not results:
            return  # a lane that is due with nothing in it: told of by the invariants
        await store.deliver(worker, results)


def undelivered(state: dict[str, list[dict[str, object]]]) -> list[str]:
    """Callbacks that nobody will hear, once a world has been driven to its end."""
    dead = {row["id"] for row in state["lanes"] if row["dead"]}
    return [
        f"callback {row['number']} of lane {row['lane_id']} is never delivered"
        for row in state["callbacks"]
        if row["delivered_at"] is None and row["lane_id"] not in dead
    ]
