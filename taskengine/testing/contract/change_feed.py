"""Promises of the news: every change of a job is told, or a later one of the same job."""

from taskengine.model import Began, JobState, Progressed
from taskengine.store import GateAnswer
from taskengine.store.types import Mark
from taskengine.testing.contract.world import PAIR, at, done, failed, submission
from taskengine.testing.times import NOON


class Reader:
    def __init__(self, world):
        self.world, self.mark = world, None

    async def read(self, limit=100):
        """What is new, as id, state and progress, all pages of it."""
        told, more = [], True
        while more:
            news = await self.world.store.news(self.mark, limit)
            self.mark, more = news.mark, news.more
            told += [(one.job.id, one.job.state.label, one.progress) for one in news.changes]
        return told


async def reader(world):
    made = Reader(world)
    assert await made.read() == []
    return made


class ChangeFeed:
    async def test_the_course_of_a_job_is_told(self, world):
        news = await reader(world)
        [job_id] = await world.submit(submission(PAIR))
        assert await news.read() == [(job_id, "queued", 0)]
        await world.admit()
        assert await news.read() == [(job_id, "started", 0)]
        one, two = await world.claim()
        await world.record(Began(one.fence, NOON), done(one))
        assert await news.read() in ([], [(job_id, "started", 50)])
        await world.record(done(two))
        assert await news.read() == [(job_id, "completed", 100)]
        assert await news.read() == []

    async def test_changes_between_two_looks_are_told_as_one(self, world):
        news = await reader(world)
        job_id = await world.start()
        await world.perform(job_id)
        assert await news.read() == [(job_id, "completed", 100)]

    async def test_what_was_there_before_is_not_told(self, world):
        await world.start()
        news = await reader(world)
        assert await news.read() == []

    async def test_what_clients_change_is_told(self, world):
        [job_id] = await world.submit(submission())
        news = await reader(world)
        for changes, state in (
            ({"priority": 2}, "queued"),
            ({"queue_state": JobState.PAUSED}, "paused"),
            ({"queue_state": JobState.QUEUED, "run_at": at(5)}, "scheduled"),
        ):
            await world.store.change(job_id, changes, [], NOON)
            assert await news.read() == [(job_id, state, 0)]
        await world.store.queue_due(at(9))
        assert await news.read() == [(job_id, "queued", 0)]
        new = await world.store.rerun(job_id, [], at(9))
        assert sorted(await news.read()) == [(job_id, "broken", 0), (new, "queued", 0)]

    async def test_a_failure_is_told_with_its_first_task(self, world):
        await world.start(PAIR)
        news = await reader(world)
        one, two = await world.claim()
        await world.record(failed(one))
        told = await world.store.news(news.mark, 10)
        assert [(each.job.state, each.job.failed) for each in told.changes] == [
            (JobState.STARTED, True)
        ]
        await world.record(failed(two))
        assert [state for _, state, _ in await news.read()] == ["completed"]

    async def test_what_happens_to_dependants_and_gates_is_told(self, world):
        parent, other = await world.submit(submission(), submission())
        child, lost = await world.submit(
            submission(depends_on=[parent]), submission(depends_on=[other])
        )
        [gated] = await world.submit(submission(semaphore_url="http://gate.test"))
        news = await reader(world)
        await world.store.change(other, {"queue_state": JobState.BROKEN}, [], NOON)
        await world.cascade()
        assert sorted(await news.read()) == [(other, "broken", 0), (lost, "broken", 0)]
        await world.admit()
        await world.perform(parent)
        assert sorted(await news.read()) == [(parent, "completed", 100), (child, "queued", 0)]
        [gate], _ = await world.store.claim_gates(9, (), NOON, at(9) - NOON)
        await world.store.answer_gates([GateAnswer(gate, "yes", NOON, None)])
        assert await news.read() == [(gated, "queued", 0)]

    async def test_pages_leave_nothing_out_and_repeat_nothing(self, world):
        news = await reader(world)
        ids = await world.submit(*(submission() for _ in range(7)))
        assert [job_id for job_id, *_ in await news.read(limit=2)] == ids
        again = Reader(world)
        again.mark = Mark(0)
        assert [job_id for job_id, *_ in await again.read(limit=7)] == ids

    async def test_reading_can_go_on_from_a_mark_in_words(self, world):
        news = await reader(world)
        [job_id] = await world.submit(submission())
        mark = Mark.read(str(news.mark))
        assert mark == news.mark
        told = await world.store.news(mark, 10)
        assert [change.job.id for change in told.changes] == [job_id]
        assert all(told.mark.covers(change) for change in told.changes)
        assert not any(mark.covers(change) for change in told.changes)

    async def test_progress_is_that_of_jobs_at_work(self, world):
        job_id = await world.start(PAIR)
        await world.submit(submission())
        assert await world.store.progress() == {}
        [attempt] = await world.claim(1)
        await world.record(Progressed(attempt.fence, 0.5))
        assert await world.store.progress() == {job_id: (0.5, 2)}
