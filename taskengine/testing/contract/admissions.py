"""Promises of admission and of the schedule before it."""

from datetime import timedelta

from taskengine.policy import SYSTEM
from taskengine.store import JobFilter
from taskengine.testing.contract.world import DIAMOND, SINGLE, at, done, submission
from taskengine.testing.times import NOON


class Admissions:
    async def started(self, world) -> list[int]:
        jobs = await world.store.jobs(JobFilter(ascending=True, limit=1000))
        return [job.id for job in jobs if job.state.label == "started"]

    async def test_the_best_job_goes_first(self, world):
        await world.setting(SYSTEM, max_jobs=1)
        ids = []
        for now, fields in enumerate(
            [
                {},
                {"position": 2},
                {"position": 1},
                {"priority": 4, "position": 9},
                {"priority": 9, "top_of_queue": True},
            ]
        ):
            ids += await world.submit(submission(**fields), now=NOON - timedelta(seconds=now))
        order = []
        while await world.admit():
            [job_id] = await self.started(world)
            order.append(job_id)
            await world.perform(job_id)
        assert order == [ids[4], ids[3], ids[2], ids[0], ids[1]]

    async def test_tasks_of_jobs_admitted_together_are_claimed_the_best_job_first(self, world):
        ids = await world.submit(
            submission(), submission(position=0), submission(top_of_queue=True)
        )
        assert await world.admit() == 3
        assert [one.job.id for one in await world.claim()] == [ids[2], ids[1], ids[0]]

    async def test_no_more_than_the_system_lets_run(self, world):
        await world.setting(SYSTEM, max_jobs=3)
        await world.submit(*(submission() for _ in range(5)))
        assert await world.admit() == 3
        assert await world.admit() == 0
        [first, *_] = await self.started(world)
        await world.record(*[done(one) for one in await world.claim() if one.job.id == first])
        assert await world.admit() == 1

    async def test_a_client_at_its_cap_does_not_hold_up_others(self, world):
        await world.setting("acme", max_jobs=1)
        ids = await world.submit(*(submission(client=one) for one in ("acme", "acme", "beta")))
        assert await world.admit() == 2
        assert await self.started(world) == [ids[0], ids[2]]

    async def test_a_client_without_a_cap_is_bounded_by_the_systems_alone(self, world):
        await world.setting("acme", priority_threshold=5)
        await world.submit(*(submission() for _ in range(30)))
        assert await world.admit() == 30

    async def test_reserved_slots_are_left_to_priority_jobs(self, world):
        await world.setting(SYSTEM, max_jobs=3, priority_slots=2)
        low = await world.submit(*(submission(priority=6) for _ in range(3)))
        assert await world.admit() == 1
        high = await world.submit(*(submission(priority=5) for _ in range(3)))
        assert await world.admit() == 2
        assert await self.started(world) == [low[0], *high[:2]]

    async def test_the_reserved_slots_are_filled_by_priority_jobs_first(self, world):
        await world.setting(SYSTEM, max_jobs=4, priority_slots=2)
        await world.submit(*(submission(priority=5) for _ in range(3)))
        assert await world.admit() == 3
        await world.submit(*(submission(priority=6) for _ in range(3)))
        assert await world.admit() == 1

    async def test_the_systems_threshold_holds_for_clients_without_one(self, world):
        await world.setting(SYSTEM, max_jobs=2, priority_slots=2, priority_threshold=8)
        await world.setting("beta", max_jobs=10)
        await world.submit(submission(priority=8), submission(priority=8, client="beta"))
        assert await world.admit() == 2

    async def test_a_client_may_reserve_slots_of_its_own(self, world):
        await world.setting("acme", max_jobs=2, priority_slots=1, priority_threshold=3)
        await world.submit(*(submission(priority=5) for _ in range(3)))
        assert await world.admit() == 1

    async def test_the_band_of_a_job_is_fixed_at_its_admission(self, world):
        await world.setting(SYSTEM, max_jobs=2, priority_slots=1)
        await world.start(priority=5)
        await world.setting(SYSTEM, priority_threshold=4)
        await world.submit(submission(priority=5), submission(priority=5))
        assert await world.admit() == 1

    async def test_after_a_limit_is_lowered_nothing_is_admitted_until_the_rule_holds(self, world):
        await world.submit(*(submission() for _ in range(4)))
        assert await world.admit(limit=3) == 3
        await world.setting(SYSTEM, max_jobs=2)
        for left in (0, 0, 1):
            assert await world.admit() == left
            if not left:
                await world.record(done((await world.claim(1))[0]))
        assert len(await self.started(world)) == 2

    async def test_tasks_are_written_once_with_their_needs(self, world):
        job_id = await world.start(DIAMOND)
        assert await world.admit() == 0
        details = await world.job(job_id)
        assert [(one.number, one.name, one.state.label) for one in details.tasks] == [
            (0, "a", "queued"),
            (1, "b", "waiting"),
            (2, "c", "waiting"),
            (3, "d", "waiting"),
        ]
        assert {(one.action, one.queue, one.attempt) for one in details.tasks} == {
            ("core.noop", "work", 0)
        }

    async def test_admission_says_when(self, world):
        [job_id] = await world.submit(submission(SINGLE))
        await world.admit(at(7))
        job = (await world.job(job_id)).job
        assert (job.created_at, job.updated_at) == (NOON, at(7))

    async def test_due_jobs_are_queued_and_the_next_one_told(self, world):
        ids = await world.submit(*(submission(run_at=at(n)) for n in (30, 10, 20)))
        assert await world.store.queue_due(at(9)) == (0, at(10))
        assert await world.store.queue_due(at(20)) == (2, at(30))
        assert [(await world.states(one))[0] for one in ids] == ["scheduled", "queued", "queued"]
        assert await world.store.queue_due(at(30)) == (1, None)

    async def test_a_job_with_a_gate_is_not_due_by_itself(self, world):
        await world.submit(submission(run_at=at(1), semaphore_url="http://gate.test"))
        assert await world.store.queue_due(at(9)) == (0, None)
