"""A view of the queue reads a bounded part of it, however long it is (rule 27)."""

from datetime import timedelta

import pytest

from taskengine.model import JobState
from taskengine.store import forecasts
from taskengine.store.postgres.forecasts import queue_view
from taskengine.testing.contract.world import World
from tests.conftest import NOON
from tests.contract.planning import FORGET, database_url, planned, run
from tests.contract.test_list_plans import MIXED, QUEUED, READ

__all__ = ["database_url", "planned"]  # fixtures

JOBS = 20_000  # one a second, up to noon
FILL = """
insert into jobs (request_id, client, workflow, state, priority, position, top_of_queue, persist,
                  created_at, updated_at, run_at, digest)
select gen_random_uuid(), 'c' || n % 3, 'w' || n % 5, (array{states})[1 + n % {number}],
       1 + (n * 7) % 10, 1, n % 1000 = 0, false, at, at, at, 'd'
from (select n, '{noon}'::timestamptz - ({jobs} - n) * interval '1 s' as at
      from generate_series(1, {jobs}) as n) as made;
insert into counters select 0, 'c', state, false, count(*) from jobs group by state
"""
SIZES = ("FIRST", "PLACES", "RUNNING", "ENDED", "COMING", "CAME")
# Entries: each part once, the first jobs of both parts of the queue, and those of five workflows.
MOST = sum(getattr(forecasts, size) for size in SIZES) + forecasts.FIRST + 5 * forecasts.OF_WORKFLOW


@pytest.mark.parametrize("states", [QUEUED, MIXED], ids=["all queued", "of all states"])
@pytest.mark.parametrize("statistics", ["analyze", FORGET], ids=["known", "unknown"])
async def test_a_view_of_a_long_queue_reads_no_more_than_its_parts(planned, states, statistics):
    await World(planned).settle()
    filled = FILL.format(states=states, number=len(states), noon=NOON, jobs=JOBS)
    await run(planned, filled, *statistics.split(";"))

    async def seen(connection):
        await connection.execute("set transaction isolation level repeatable read read only")
        before = await connection.fetchval(READ)
        view = await queue_view(connection, NOON + timedelta(seconds=1))
        return await connection.fetchval(READ) - before, view

    read, view = await planned.pool.run(seen)
    queued = JOBS * states.count(JobState.QUEUED) // len(states)
    assert (view.length, len(view.first)) == (queued, min(forecasts.FIRST, queued))
    assert bool(view.behind) is (queued > forecasts.FIRST)
    assert len(view.came) == forecasts.CAME
    assert read <= MOST
