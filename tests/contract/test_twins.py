"""Both stores driven with the same random operations: every answer and all that is left agree."""

import json
import uuid
from dataclasses import replace
from random import Random

import pytest

from taskengine.model import (
    Began,
    Delivery,
    Ended,
    JobState,
    LaneResult,
    Outcome,
    Progressed,
    Severity,
    Written,
)
from taskengine.policy import SYSTEM
from taskengine.store import JobFilter
from taskengine.store.memory import MemoryStore
from taskengine.testing.contract.world import (
    ACTION,
    CHAIN,
    DIAMOND,
    LINE,
    PAIR,
    SINGLE,
    World,
    at,
    definition,
    submission,
)
from tests.contract.alike import opened, plain
from tests.contract.recount import assert_counters_are_true

PLANS = [SINGLE, CHAIN, PAIR, DIAMOND, definition([], [], [0], [1, 2], callback={"files": ["x"]})]
STEPS = 150


class Twins:
    """An operation on both; its answers have to be the same."""

    def __init__(self, seed, *worlds):
        self.random = Random(seed)
        self.worlds = worlds
        self.clock = 0
        self.instances = []
        self.attempts = []  # with the instance that claimed it
        self.lanes = []  # the same lane as either store tells it

    @property
    def now(self):
        return at(self.clock)

    async def both(self, method, *arguments):
        memory, postgres = [await getattr(one.store, method)(*arguments) for one in self.worlds]
        return memory, postgres

    async def same(self, method, *arguments):
        memory, postgres = await self.both(method, *arguments)
        assert memory == postgres, (method, arguments)
        return memory

    async def step(self):
        self.clock += self.random.randint(0, 3)
        operations = [
            *[self.submit, self.admit, self.admit, self.claim, self.claim, self.claim] * 3,
            *[self.record] * 12,
            *[self.claim_lanes, self.deliver, self.deliver, self.deliver] * 2,
            *[self.queue_due, self.settings, self.look, self.join, self.rescue, self.leave],
            self.clear,
        ]
        await self.random.choice(operations)()

    async def submit(self):
        one = self.random
        batch = [
            submission(
                one.choice([*PLANS, *PLANS, None]),
                client=one.choice(["acme", "beta"]),
                priority=one.randint(1, 10),
                position=one.randint(1, 3),
                top_of_queue=one.random() < 0.1,
                run_at=one.choice([None, None, at(self.clock + one.randint(-5, 20))]),
                semaphore_url=one.choice([None] * 8 + ["http://gate.test"]),
                content_id=one.choice([None, "Film", "film-2"]),
                urls=[f"http://{host}.test" for host in "abc"[: one.randint(0, 3)]],
                lines=[LINE],
                submitted={"custom_data": {"n": one.randint(0, 9)}},
            )
            for _ in range(one.randint(1, 4))
        ]
        await self.same("submit", batch, self.now)

    async def admit(self):
        await self.same("admit", self.instance, self.now, self.random.choice([1, 3, 500]))

    async def queue_due(self):
        await self.same("queue_due", self.now)

    async def clear(self):
        await self.same("clear_old_jobs", at(self.clock - 20), self.random.randint(1, 5))

    async def settings(self):
        scope = self.random.choice([SYSTEM, "acme", "beta"])
        name, most = self.random.choice(
            [("max_jobs", 8), ("max_jobs", 20), ("priority_slots", 4), ("priority_threshold", 10)]
        )
        await self.same("put_setting", scope, name, str(self.random.randint(1, most)))

    @property
    def instance(self):
        return self.random.choice(self.instances)

    async def join(self):
        if len(self.instances) < 3:
            self.instances.append(await self.same("join", "one", self.now))

    async def leave(self):
        instance = await self._gone()
        await self.same("leave", instance, self.now)

    async def rescue(self):
        instance = await self._gone()
        beats = await self.same("beats")
        memory, postgres = await self.both("rescue", instance, beats[instance], self.now)
        self._recorded(memory, postgres)

    async def _gone(self):
        instance = self.instance
        self.instances.remove(instance)
        if not self.instances:
            await self.join()
        self.lanes = [pair for pair in self.lanes if pair[0] != instance]
        return instance

    async def claim(self):
        instance, limit = self.instance, self.random.randint(1, 5)
        claim_id = uuid.UUID(int=self.random.getrandbits(128))
        for _ in range(self.random.randint(1, 2)):  # its answer may be lost
            arguments = (instance, "work", [ACTION], limit, claim_id, self.now)
            claimed, postgres = await self.both("claim", *arguments)
            assert opened(claimed) == opened(postgres), arguments
        self.attempts += [(instance, attempt.fence) for attempt in claimed.attempts]

    async def record(self):
        instance = self.instance
        own = [fence for holder, fence in self.attempts if holder == instance]
        records = [
            record
            for fence in self.random.sample(
                own[-12:], min(len(own[-12:]), self.random.randint(1, 4))
            )
            for record in self._records(fence)
        ]
        memory, postgres = await self.both("record", instance, records, self.now)
        assert memory.stale == postgres.stale
        self._recorded(memory, postgres)

    def _records(self, fence):
        one = self.random
        outcome = one.choice([*[Outcome.COMPLETED] * 5, *Outcome])
        due_at = at(self.clock + one.randint(0, 9)) if outcome is Outcome.RETRY else None
        error = "boom" if outcome in (Outcome.FAILED, Outcome.RETRY) else None
        result = json.dumps({"n": one.randint(0, 9)}) if outcome is Outcome.COMPLETED else None
        told = [
            Began(fence, self.now),
            Written(fence, self.now, "line", one.choice(list(Severity))),
            Progressed(fence, one.randint(0, 4) / 4),
            Ended(fence, self.now, outcome, result, error, due_at),
        ]
        return [record for record in told if one.random() < 0.7]

    def _recorded(self, memory, postgres):
        """Hints may be given once too often, but never once too rarely."""
        assert (memory is None) == (postgres is None)
        if memory is not None:
            assert sorted(memory.ended_jobs) == sorted(postgres.ended_jobs)
            assert memory.woken or not postgres.woken
            assert memory.called or not postgres.called

    async def claim_lanes(self):
        instance, limit = self.instance, self.random.randint(1, 6)
        busy = self.random.choice([[], [], ["a.test"]])
        memory, postgres = await self.both("claim_lanes", instance, limit, busy, self.now)
        assert (list(map(plain, memory[0])), memory[1]) == (
            list(map(plain, postgres[0])),
            postgres[1],
        )
        self.lanes += [(instance, *pair) for pair in zip(memory[0], postgres[0], strict=True)]

    async def deliver(self):
        if not self.lanes:
            return
        instance, *lanes = self.lanes.pop(self.random.randrange(len(self.lanes)))
        number = self.random.randint(1, len(lanes[0].callbacks))
        last = self.random.choice([True, True, False])
        due_at = self.random.choice([at(self.clock + 5)] * 4 + [None])
        for world, lane in zip(self.worlds, lanes, strict=True):
            tries = [Delivery(one.id, self.now, True, 200) for one in lane.callbacks[:number]]
            if not last:
                tries[-1] = replace(tries[-1], delivered=False, status=500, due_at=due_at)
            await world.store.deliver(instance, [LaneResult(lane.fence, tries)])

    async def look(self):
        one = self.random
        await self.same("totals")
        wanted = JobFilter(
            limit=one.randint(1, 30),
            order_by=one.choice(["id", "priority", "created_at", "state", "run_at", "updated_at"]),
            ascending=one.random() < 0.5,
            states=one.sample(list(JobState), one.randint(0, 2)),
            failed=one.choice([None, None, True, False]),
            search=one.choice([None, None, "FILM", "2"]),
            client=one.choice([None, "acme"]),
        )
        await self.same("jobs", wanted)
        for instance in self.instances:
            await self.same("beat", instance)

    async def assert_all_is_the_same(self):
        await self.same("totals")
        for job in await self.same("jobs", JobFilter(limit=1000)):
            await self.same("job", job.id)
            memory, postgres = [await one.lines(job.id) for one in self.worlds]
            assert memory == postgres
        while self.lanes:
            await self.deliver()
        self.clock += 1000
        while not self.lanes and self.clock < 1050:
            self.clock += 10
            await self.claim_lanes()


async def run_twins(twins, store):
    """Take some steps in both worlds; then all is the same, and the counters are true."""
    for world in twins.worlds:
        await world.settle()
        twins.instances = [world.instance]
        await world.setting(SYSTEM, max_jobs=6)
    for _ in range(STEPS):
        await twins.step()
    await twins.assert_all_is_the_same()
    await assert_counters_are_true(store, cleared=True)


@pytest.mark.parametrize("seed", range(10))
async def test_a_store_in_memory_and_one_in_postgresql_answer_alike(postgres_store, seed):
    twins = Twins(seed, World(MemoryStore()), World(postgres_store))
    await run_twins(twins, postgres_store)
