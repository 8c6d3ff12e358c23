"""The same as test_twins, with what clients do to jobs while they run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskengine.model import BadInput, JobState
from taskengine.store import GateAnswer, JobFilter
from taskengine.store.memory import MemoryStore
from taskengine.testing.contract.world import LINE, World, at, submission
from tests.contract.test_twins import PLANS, Twins, run_twins


class ChangingTwins(Twins):
    def __init__(self, seed, *worlds):
        super().__init__(seed, *worlds)
        self.gates = []

    async def step(self):
        operations = [self.change] * 5 + [self.rerun, self.tie, self.tie]
        operations += [self.claim_gates, self.answer_gates]
        if self.random.random() < 0.35:
            await self.random.choice(operations)()
        else:
            await super().step()

    async def _ids(self):
        return [job.id for job in await self.same("jobs", JobFilter(limit=25))]

    async def _refusable(self, method, *arguments):
        """Both stores do the same, or refuse with the same words."""
        answers = []
        for world in self.worlds:
            try:
                answers.append(await getattr(world.store, method)(*arguments))
            except BadInput as refusal:
                answers.append(str(refusal))
        return answers

    async def change(self):
        one = self.random
        if not (ids := await self._ids()):
            return
        values = {
            "queue_state": one.choice(
                [JobState.PAUSED] * 3 + [JobState.QUEUED] * 4 + [JobState.BROKEN]
            ),
            "run_at": at(self.clock + one.randint(-5, 10)),
            "priority": one.randint(1, 10),
            "semaphore_url": one.choice([None, "http://gate.test", "http://other.test"]),
            "top_of_queue": one.random() < 0.5,
        }
        names = one.choice(
            [["queue_state"]] * 4 + [["priority"], one.sample(list(values), one.randint(0, 3))]
        )
        changes = {name: values[name] for name in names}
        arguments = (one.choice(ids), changes, [LINE], self.now)
        memory, postgres = await self._refusable("change", *arguments)
        if isinstance(memory, str):
            assert memory == postgres
        else:
            assert (memory.job, memory.called or not postgres.called) == (postgres.job, True)

    async def rerun(self):
        if ids := await self._ids():
            arguments = (self.random.choice(ids), [LINE], self.now)
            memory, postgres = await self._refusable("rerun", *arguments)
            assert memory == postgres

    async def tie(self):
        one = self.random
        if ids := await self._ids():
            child = submission(
                one.choice(PLANS),
                depends_on=[one.choice(ids) for _ in range(one.randint(1, 3))],
                run_at=one.choice([None, None, at(self.clock + one.randint(-5, 20))]),
                urls=[f"http://{host}.test" for host in "ab"[: one.randint(0, 2)]],
                lines=[LINE],
            )
            await self.same("submit", [child], self.now)

    async def claim_gates(self):
        lease = timedelta(seconds=self.random.randint(1, 20))
        limit = self.random.randint(1, 5)
        busy = self.random.choice([(), (), ["gate.test"]])
        memory, postgres = await self.both("claim_gates", limit, busy, self.now, lease)
        assert sorted(memory[0], key=lambda gate: gate.job_id) == sorted(
            postgres[0], key=lambda gate: gate.job_id
        )
        assert memory[1] == postgres[1]
        self.gates += memory[0]

    async def answer_gates(self):
        one = self.random
        answers = {
            gate.job_id: GateAnswer(
                gate,
                one.choice(["HTTP 200", "HTTP 503"]),
                self.now,
                one.choice([None, at(self.clock + 5)]),
            )
            for gate in one.sample(self.gates, min(3, len(self.gates)))
        }
        await self.same("answer_gates", list(answers.values()))


@pytest.mark.parametrize("seed", range(20))
async def test_stores_answer_alike_whatever_clients_do_to_their_jobs(postgres_store, seed):
    twins = ChangingTwins(seed, World(MemoryStore()), World(postgres_store))
    await run_twins(twins, postgres_store)
