"""A view of the queue reads a bounded part of it, however long it is (rule 27)."""

import pytest

from taskengine.model import JobState
from taskengine.store import forecasts
from taskengine.store.postgres.forecasts import queue_view
from taskengine.testing.contract.world import World
from tests.contract.planning import FORGET, database_url, planned, run
from tests.contract.test_list_plans import JOBS, MIXED, QUEUED, READ, fill

__all__ = ["database_url", "planned"]  # fixtures

SIZES = ("FIRST", "PLACES", "RUNNING", "ENDED", "COMING", "CAME")
# Entries: each part once, the first jobs of both parts of the queue, and those of five workflows.
MOST = sum(getattr(forecasts, size) for size in SIZES) + forecasts.FIRST + 5 * forecasts.OF_WORKFLOW


@pytest.mark.parametrize("states", [QUEUED, MIXED], ids=["all queued", "of all states"])
@pytest.mark.parametrize("analyzed", [True, False])
async def test_a_view_of_a_long_queue_reads_no_more_than_its_parts(planned, states, analyzed):
    await World(planned).settle()
    await fill(planned, states)
    await run(planned, *(["analyze"] if analyzed else [FORGET]))

    async def seen(connection):
        await connection.execute("set transaction isolation level repeatable read read only")
        before = await connection.fetchval(READ)
        last = await connection.fetchval("select max(created_at) from jobs")
        view = await queue_view(connection, last)
        return await connection.fetchval(READ) - before, view

    read, view = await planned.pool.run(seen)
    number = JOBS * states.count(JobState.QUEUED) // len(states)
    assert len(view.first) == min(forecasts.FIRST, number)
    assert read <= MOST + 10
