"""A world is driven on with the ordinary methods until nothing is left to do."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

from taskengine.model import (
    FINAL_STATES,
    Delivery,
    Ended,
    Fence,
    JobState,
    LaneResult,
    Outcome,
    Record,
    Written,
)
from taskengine.store import GateAnswer
from taskengine.store.postgres import PostgresStore
from taskengine.testing.contract.world import ACTION, at
from tests.interleaving.snapshots import run
from tests.interleaving.worlds import DEAD

END = at(10_000)  # every lease, pause and time of a job has come
ROUNDS = 15
FINISHED = ", ".join(str(int(state)) for state in FINAL_STATES)
UNFINISHED = f"select id, state from jobs where state not in ({FINISHED}) order by id"
IS_TOLD = "select exists (select from cascades)"
HOLDERS = "select distinct holder from {} where holder is not null order by holder"
WITHOUT_LIMITS = """
update schedules set active = true where name = 'queue_scheduled_jobs';
delete from settings where scope = '' and name in ('max_jobs', 'priority_slots');
insert into settings (scope, name, value) values ('', 'max_jobs', '2'), ('', 'priority_slots', '0')
"""


async def drive(store: PostgresStore) -> list[str]:
    """What does not come to its end."""
    worker = await store.join("driver", END)
    await run(store, WITHOUT_LIMITS)
    beats = await store.beats()
    if DEAD in beats:
        await store.rescue(DEAD, beats[DEAD], END)
    for _ in range(ROUNDS):
        if not await _go_on(store, worker):
            await _deliver(store, worker)
            return []
    left = await _rows(store, UNFINISHED)
    return [f"job {number} stays {JobState(state).label} for ever" for number, state in left]


async def _rows(store: PostgresStore, question: str) -> list[Any]:
    """What no method asks, or asks with much else."""
    return await store.pool.run(lambda one: one.fetch(question), single=True)


async def _go_on(store: PostgresStore, worker: int) -> bool:
    """A round of everybody's work; whether anything was unfinished."""
    left = {number: JobState(state) for number, state in await _rows(store, UNFINISHED)}
    waiting = set(left.values())
    for number, state in left.items():
        if state is JobState.PAUSED:
            await store.change(number, {"queue_state": JobState.QUEUED}, [], END)
    if JobState.SCHEDULED in waiting:
        gates, _ = await store.claim_gates(64, [], END, timedelta(seconds=0))
        await store.answer_gates([GateAnswer(gate, "HTTP 200", END, None) for gate in gates])
        await store.queue_due(END)
    [[is_told]] = await _rows(store, IS_TOLD)
    while is_told and (await store.cascade(END, 2)).more:
        pass
    if waiting - {JobState.STARTED}:
        await store.admit(worker, END)
    if left:
        await store.claim(worker, "work", [ACTION], 100, uuid.uuid4(), END)
    holders = await _rows(store, HOLDERS.format("tasks"))
    for (instance,) in holders:
        beat = await store.beat(instance)
        await store.record(instance, _ends(beat.held, beat.unwanted), END)
    return bool(left or holders or is_told)


def _ends(held: frozenset[Fence], unwanted: frozenset[Fence]) -> list[Record]:
    records: list[Record] = []
    for fence in sorted(held, key=lambda one: one.task_id):
        outcome = Outcome.CANCELLED if fence in unwanted else Outcome.COMPLETED
        result = json.dumps({"attempt": fence.attempt})
        records += [Written(fence, END, "driven on"), Ended(fence, END, outcome, result)]
    return records


async def _deliver(store: PostgresStore, worker: int) -> None:
    for (instance,) in await _rows(store, HOLDERS.format("lanes")):
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
