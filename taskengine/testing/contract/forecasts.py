"""Promises of what starts are foretold from, and of how forecasts are judged."""

from dataclasses import replace

from taskengine.jobs.forecast import ForecastHits
from taskengine.model import Ended, JobState, Outcome
from taskengine.pauses import Pause, PauseKind
from taskengine.policy import NOTHING_STARTS, SYSTEM, Band
from taskengine.testing.contract.world import CHAIN, at, done, submission
from taskengine.testing.times import NOON


class Forecasts:
    async def test_a_view_of_the_queue_has_who_runs_who_waits_and_who_comes(self, world):
        await world.setting(SYSTEM, max_jobs=2)
        runs, first = await world.submit(submission(), submission(priority=1, client="beta"))
        await world.admit(at(1))
        waits = await world.submit(submission(priority=7), submission(priority=6))
        [comes] = await world.submit(submission(run_at=at(50)))
        await world.submit(submission(run_at=at(40), semaphore_url="http://gate.test"))
        view = await world.store.queue_view(at(2))
        running = {(one.client, one.band, one.workflow, one.started_at) for one in view.running}
        assert running == {
            ("acme", Band.HIGH, "demo", at(1)),
            ("beta", Band.HIGH, "demo", at(1)),
        }
        assert dict(view.taken) == {("acme", Band.HIGH): 1, ("beta", Band.HIGH): 1}
        assert (view.at, view.system.max_jobs) == (at(2), 2)
        assert [job.id for job in view.first] == waits[::-1]
        assert (list(view.behind), view.length) == ([], 2)
        assert [job.id for job in view.coming] == [comes]
        assert {job.id for job in view.came} >= set(waits)
        assert not {job.id for job in view.came} & {runs, first}
        assert dict(view.run_times) == {}

    async def test_a_view_has_how_long_jobs_ran_by_workflow(self, world):
        for length in (10, 30):
            await world.start(CHAIN)
            for place in range(3):
                [attempt] = await world.claim(now=at(place))
                await world.record(done(attempt, at(place if place < 2 else length)))
        view = await world.store.queue_view(at(60))
        assert sorted(view.run_times["demo"]) == [10, 30]

    async def test_a_stopped_job_tells_nothing_of_how_long_jobs_run(self, world):
        job_id = await world.start()
        await world.store.change(job_id, {"queue_state": JobState.BROKEN}, [], at(5))
        assert not (await world.store.queue_view(at(9))).run_times

    async def test_who_is_paused_starts_nothing_in_a_view(self, world):
        pauses = [(PauseKind.CLIENT, "beta"), (PauseKind.WORKFLOW, "demo")]
        await world.submit(submission(client="beta"))
        for kind, name in pauses:
            await world.store.put_pause(Pause(kind, name, NOON, "acme"))
        view = await world.store.queue_view(NOON)
        assert view.clients["beta"] == NOTHING_STARTS
        assert list(view.first) == []

    async def test_a_long_queue_is_seen_by_its_first_jobs_and_by_a_sample(self, world):
        await world.setting(SYSTEM, max_jobs=0)
        for _ in range(3):
            ids = await world.submit(*(submission() for _ in range(300)))
        view = await world.store.queue_view(NOON)
        assert [job.id for job in view.first] == list(range(ids[-1] - 899, ids[-1] - 599))
        assert view.length == 900
        assert all(job.id > ids[-1] - 600 for job in view.behind)
        assert 200 <= len(view.behind) <= 600
        assert round(view.copies * len(view.behind)) == 600

    async def test_virtual_times_are_in_a_view_where_slots_are_shared(self, world):
        assert not (await world.store.queue_view(NOON)).shares.weights
        await world.setting("acme", weight=2)
        await world.start()
        await world.submit(submission())
        shares = (await world.store.queue_view(NOON)).shares
        assert (dict(shares.weights), shares.times["acme"]) == ({"acme": 2}, 500_000)

    async def test_a_forecast_is_judged_once_its_job_has_started(self, world):
        ids = await world.submit(submission(), submission())
        assert [job.id for job in await world.store.jobs_not_foretold(9)] == ids
        assert [job.id for job in await world.store.jobs_not_foretold(1)] == ids[1:]
        await world.store.put_forecasts({ids[0]: at(100), ids[1]: at(200)}, NOON)
        await world.store.put_forecasts({ids[0]: at(900)}, NOON)
        assert await world.store.jobs_not_foretold(9) == []
        assert await world.store.judge_forecasts() == 0
        await world.admit(at(110))
        assert await world.store.judge_forecasts() == 2
        assert await world.store.forecast_hits() == ForecastHits(2, 1)
        assert await world.store.judge_forecasts() == 0

    async def test_a_forecast_of_a_job_that_ended_meanwhile_is_judged_by_its_start(self, world):
        [job_id] = await world.submit(submission())
        await world.store.put_forecasts({job_id: at(100)}, NOON)
        await world.admit(at(100))
        [attempt] = await world.claim(now=at(130))
        await world.record(done(attempt, at(500)))
        assert await world.store.judge_forecasts() == 1
        assert await world.store.forecast_hits() == ForecastHits(1, 1)

    async def test_a_task_that_is_tried_again_moves_no_start(self, world):
        [job_id] = await world.submit(submission())
        await world.store.put_forecasts({job_id: at(10)}, NOON)
        await world.admit(at(10))
        [attempt] = await world.claim(now=at(10))
        failed = Ended(attempt.fence, at(11), Outcome.RETRY, error="boom", due_at=at(90))
        await world.record(failed)
        assert await world.store.judge_forecasts() == 1
        assert await world.store.forecast_hits() == ForecastHits(1, 1)

    async def test_a_forecast_of_a_job_that_was_held_up_is_forgotten(self, world):
        ids = await world.submit(submission(), submission())
        await world.store.put_forecasts(dict.fromkeys(ids, at(100)), NOON)
        await world.store.change(ids[0], {"queue_state": JobState.PAUSED}, [], at(1))
        await world.store.change(ids[1], {"queue_state": JobState.BROKEN}, [], at(1))
        assert await world.store.judge_forecasts() == 2
        assert await world.store.forecast_hits() == ForecastHits(0, 0)
        await world.store.change(ids[0], {"queue_state": JobState.QUEUED}, [], at(2))
        assert [job.id for job in await world.store.jobs_not_foretold(9)] == ids[:1]

    async def test_a_view_has_no_more_waiters_than_it_tells(self, world):
        await world.submit(submission())
        view = await world.store.queue_view(NOON)
        again = replace(view, sample=view.first)
        assert (again.behind, again.copies) == ([], 1.0)
