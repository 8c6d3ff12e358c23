"""Promises of the clean-up: old jobs go with all that is theirs, and what is needed stays."""

from taskengine.model import JobState
from taskengine.policy import SYSTEM
from taskengine.store import JobFilter
from taskengine.testing.contract.dependencies import rerun
from taskengine.testing.contract.world import (
    DIAMOND,
    LINE,
    ONE,
    PAIR,
    SINGLE,
    TWO,
    at,
    delivery,
    done,
    failed,
    refusal,
    submission,
)
from taskengine.testing.times import NOON

LATER = at(1000)


class Retention:
    async def left(self, world):
        wanted = JobFilter(limit=1000, ascending=True, states=list(JobState))
        return [job.id for job in await world.store.jobs(wanted)]

    async def clear(self, world, limit=500, before=LATER):
        return (await world.store.clear_old_jobs(before, limit)).number

    async def finished(self, world, **fields):
        job_id = await world.start(**fields)
        await world.perform(job_id)
        return job_id

    async def test_old_jobs_go_with_all_that_is_theirs(self, world):
        job_id = await self.finished(
            world, plan=DIAMOND, urls=[ONE, TWO], lines=[LINE], content_id="c"
        )
        await world.events()
        [refused] = await world.submit(submission(None, lines=[LINE]))
        before = await world.store.totals()
        assert await self.clear(world) == 2
        assert await self.clear(world) == 0
        assert await self.left(world) == []
        for gone in (job_id, refused):
            assert await world.store.job(gone) is None
            assert await world.lines(gone) == []
        assert await world.events() == {}
        after = await world.store.totals()
        assert after.jobs == {}
        assert after.tasks_processed == before.tasks_processed == 4

    async def test_the_end_of_a_job_counts(self, world):
        job_id = await self.finished(world)
        updated_at = (await world.job(job_id)).job.updated_at
        assert await self.clear(world, before=updated_at) == 0
        assert await self.clear(world, before=at(0.001)) == 1

    async def test_the_oldest_go_first_in_small_batches(self, world):
        ids = []
        for seconds in (5, 3, 1, 4, 2):
            ids += await world.submit(submission(None), now=at(seconds))
        assert await self.clear(world, 2) == 2
        assert await self.left(world) == [ids[0], ids[1], ids[3]]
        assert [await self.clear(world, 2) for _ in range(3)] == [2, 1, 0]

    async def test_what_was_spared_is_not_looked_at_again(self, world):
        parents = [await self.finished(world) for _ in range(3)]
        await world.submit(submission(depends_on=parents, run_at=at(10**7)))
        for seconds in (5, 6, 7):
            await world.submit(submission(None), now=at(seconds))
        steps = [await world.store.clear_old_jobs(LATER, 2)]
        while steps[-1].last is not None:
            steps.append(await world.store.clear_old_jobs(LATER, 2, steps[-1].last))
        assert [one.number for one in steps] == [0, 1, 2, 0]
        assert await self.left(world) == [*parents, parents[-1] + 1]

    async def test_what_has_not_ended_stays(self, world):
        await world.start(plan=DIAMOND)
        await world.submit(submission(run_at=at(10**7)), submission())
        assert await self.clear(world, before=at(10**8)) == 0
        await world.admit()
        broken = await world.start()
        [attempt] = [one for one in await world.claim() if one.job.id == broken]
        await world.store.change(broken, {"queue_state": JobState.BROKEN}, [], NOON)
        assert await self.clear(world) == 0  # its task is being stopped
        await world.record(failed(attempt))
        assert await self.clear(world) == 1

    async def test_persistent_jobs_stay(self, world):
        kept = await self.finished(world, persist=True)
        await self.finished(world)
        assert await self.clear(world) == 1
        assert await self.left(world) == [kept]

    async def test_parents_of_unfinished_jobs_stay(self, world):
        parent = await self.finished(world)
        child = await world.start(depends_on=[parent])
        assert await self.clear(world) == 0
        assert (await world.job(child)).depends_on == [parent]
        await world.perform(child)
        assert await self.clear(world) == 2

    async def test_a_rerun_waits_for_tasks_of_a_job_that_stays(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        new = await world.store.rerun(job_id, [], NOON)
        assert await self.clear(world) == 0
        await world.record(done(attempt))
        assert await self.clear(world) == 0
        await world.admit()
        await world.perform(new)
        assert await self.clear(world) == 2

    async def test_jobs_with_callbacks_to_deliver_stay(self, world):
        job_id = await self.finished(world, urls=[ONE, TWO])
        [one, two] = await world.lanes()
        await world.deliver(one)
        assert await self.clear(world) == 0  # the other is on its way
        await world.store.deliver(world.instance, [refusal(two, NOON, at(100))])
        assert await self.clear(world) == 0
        [two] = await world.lanes(at(100))
        await world.store.deliver(world.instance, [refusal(two, at(100), None)])  # dead
        assert await self.clear(world) == 1
        assert await world.store.job(job_id) is None

    async def test_what_is_cleared_leaves_the_others_as_they_are(self, world):
        old = await self.finished(world, urls=[ONE], lines=[LINE])
        await world.events()
        kept = await self.finished(world, urls=[ONE], lines=[LINE], persist=True, plan=DIAMOND)
        details, lines = await world.job(kept), await world.lines(kept)
        assert await self.clear(world) == 1
        assert (await world.job(kept), await world.lines(kept)) == (details, lines)
        assert await world.store.job(old) is None
        [lane] = await world.lanes(at(9))
        await world.store.deliver(world.instance, [delivery(lane, 0, at(9))])
        [lane] = await world.lanes(at(9))
        assert [one.number for one in lane.callbacks] == list(range(2, 10))

    async def test_a_request_that_was_cleared_is_new_again(self, world):
        one = submission(None)
        [first] = await world.submit(one)
        await self.clear(world)
        [again] = await world.submit(one)
        assert again > first

    async def test_the_settings_of_a_client_go_with_it_and_the_last_of_its_jobs(self, world):
        await world.setting("acme", max_jobs=7)
        await world.setting("beta", max_jobs=7)
        job = await world.start()
        assert await world.store.remove_client("acme")
        assert await world.store.remove_client("beta")
        assert await world.store.settings("beta") == {}
        assert await world.store.settings("acme") == {"max_jobs": "7"}
        await world.perform(job)
        await world.store.tidy()
        assert await world.store.settings("acme") == {"max_jobs": "7"}
        assert (await world.store.clear_old_jobs(LATER, 9)).number == 1
        await world.store.tidy()
        assert await world.store.settings("acme") == {}
        assert await world.store.settings(SYSTEM) == {"max_jobs": "100"}

    async def test_a_definition_goes_with_the_last_of_its_jobs(self, world):
        gone = await world.start(PAIR)
        await world.perform(gone)
        kept = await world.start(SINGLE)
        digests = [(await world.job(job)).job.digest for job in (kept, gone)]
        again = await rerun(world, gone)
        await world.store.change(again, {"queue_state": JobState.BROKEN}, [], NOON)
        await world.store.clear_old_jobs(LATER, 9)
        await world.store.tidy()
        assert await world.store.definition(digests[1]) is None
        assert await world.store.definition(digests[0]) is not None
        await world.start(PAIR)
        assert await world.store.definition(digests[1]) is not None
