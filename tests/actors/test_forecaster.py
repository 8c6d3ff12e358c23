"""The forecaster keeps forecasts of some jobs and judges them, on virtual time."""

import trio

from taskengine.jobs.forecast import ForecastHits
from taskengine.policy import SYSTEM
from taskengine.testing.virtual import actions_with, instance, workflow


async def work(context):
    await trio.sleep(60)


async def test_starts_that_were_foretold_are_judged_when_the_jobs_start(
    memory_store, autojump_clock
):
    await memory_store.put_setting(SYSTEM, "max_jobs", "1")
    flow = workflow(("work", "test.work"))
    async with instance(memory_store, actions=actions_with(work=work)) as house:
        await house.submit(flow)
        await trio.sleep(105)  # the first has ended: how long one lasts is known
        starts, *ids = [await house.submit(flow) for _ in range(4)]
        await trio.sleep(30)
        assert set(memory_store.tables.forecasts) - {starts} == set(ids)
        assert await memory_store.forecast_hits() == ForecastHits(0, 0)
        await trio.sleep(300)
        assert await memory_store.forecast_hits() == ForecastHits(3, 3)


async def test_where_no_job_has_ended_nothing_is_foretold(memory_store, autojump_clock):
    await memory_store.put_setting(SYSTEM, "max_jobs", "1")
    flow = workflow(("work", "test.work"))
    async with instance(memory_store, actions=actions_with(work=work)) as house:
        for _ in range(3):
            await house.submit(flow)
        await trio.sleep(30)
        assert memory_store.tables.forecasts == {}
