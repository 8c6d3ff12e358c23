"""A list reads a bounded part of one index, however many jobs there are (rule 27)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from taskengine.model import JobState
from taskengine.store import JobFilter
from taskengine.store.postgres.listing import ORDERS, list_jobs
from taskengine.testing.contract.world import World, submission
from tests.conftest import NOON
from tests.contract.planning import database_url, planned, run
from tests.contract.recount import fetch

__all__ = ["database_url", "planned"]  # fixtures

FILL = """
insert into jobs (request_id, client, workflow, state, failed, priority, position, top_of_queue,
                  persist, created_at, updated_at, run_at, content_id, digest)
select gen_random_uuid(), case when n % 20000 = 7 then 'rare' else 'c' || n % 3 end, 'w' || n % 5,
       state, state = 4 or n % 50 = 3, 1 + (n * 7) % 10, n % 97, n % 1000 = 0, n % 90 = 5,
       at, at + n * 31 % 500 * interval '1 s', at + state * 10 * interval '1 s', 'Film-' || n,
       case when state = 4 then null else 'd' end
from (select n, $3::timestamptz + n * interval '1 s' as at,
             ($4::smallint[])[1 + n % cardinality($4)] as state
      from generate_series($1::integer + 1, $2) as n) as made
"""
ENDED, QUEUED, SCHEDULED = [2], [0], [5]
MIXED = [2] * 93 + [0, 5, 3, 6, 4, 4, 4]
JOBS = 30_000
STEP = 6_000  # in one statement
HALF = NOON + timedelta(seconds=JOBS / 2)
SLACK = 60  # entries beside those of the page: started jobs, both sides of a merge
READ = """
select sum(pg_stat_get_xact_tuples_returned(oid))::integer from pg_class
where oid = 'jobs'::regclass
   or oid in (select indexrelid from pg_index where indrelid = 'jobs'::regclass)
"""


async def cost(store, wanted):
    """How many entries of indexes (and rows, in sequential scans) a list has read; its page."""

    async def listed(connection):
        before = await connection.fetchval(READ)
        page = await list_jobs(connection, wanted)
        return await connection.fetchval(READ) - before, page

    return await store.pool.run(listed)


async def fill(store, states, jobs=JOBS):
    for start in range(0, jobs, STEP):
        await fetch(store, FILL, start, min(start + STEP, jobs), NOON, states)


async def filled(store, states):
    """Many jobs, after the plans of an empty table were made; and a few started ones."""
    world = await World(store).settle()
    await world.submit(*(submission() for _ in range(5)))
    await world.admit()
    await fill(store, states, 10)
    for order in ORDERS:
        await store.jobs(JobFilter(order_by=order))
    await fill(store, states)


CASES = {
    **{f"order {order}": JobFilter(order_by=order) for order in ORDERS},
    **{f"state {state.label}": JobFilter(states=[state]) for state in JobState},
    "all states": JobFilter(states=list(JobState)),
    "failed": JobFilter(failed=True),
    "client": JobFilter(client="c1"),
    "rare client": JobFilter(client="rare"),
    "nobody": JobFilter(client="nobody"),
    "from": JobFilter(since=HALF, order_by="created_at"),
    "to": JobFilter(until=HALF, order_by="created_at"),
    "from and to": JobFilter(since=HALF, until=HALF, order_by="created_at"),
    "before": JobFilter(before=JOBS // 2),
    "before in creation": JobFilter(before=JOBS // 2, order_by="created_at"),
    "search of an id": JobFilter(search=str(JOBS // 2)),
    "search of a content id": JobFilter(search="film-7777"),
    "search of nothing": JobFilter(search="nothing"),
    "ids": JobFilter(job_ids=range(1, 50), limit=50),
    "scheduled": JobFilter(states=[JobState.SCHEDULED], order_by="run_at", client="c1"),
    "rare client scheduled": JobFilter(
        states=[JobState.SCHEDULED], order_by="run_at", client="rare"
    ),
}


async def dear(store):
    """The lists that read more than they should."""
    found = {}
    for name, wanted in CASES.items():
        for one in (wanted, replace(wanted, ascending=True)):
            read, page = await cost(store, one)
            if read > 3 * wanted.limit + SLACK:
                found[name, one.ascending] = (read, len(page))
    return found


@pytest.mark.parametrize(
    "states", [ENDED, QUEUED, SCHEDULED, MIXED], ids=["ended", "queued", "scheduled", "mixed"]
)
async def test_a_list_reads_little_more_than_its_page(planned, states):
    """With plans from when the table was empty, and with those of its statistics."""
    await filled(planned, states)
    assert not await dear(planned)
    await run(planned, "vacuum analyze jobs")
    assert not await dear(planned)


async def test_a_filter_that_leaves_few_jobs_finds_them_all_in_any_order(planned):
    await filled(planned, MIXED)
    for order in ORDERS:
        read, page = await cost(planned, JobFilter(client="rare", order_by=order))
        assert (len(page), page.next) == (3, None)
        assert read <= 1_000 + SLACK, order


async def test_what_no_index_serves_is_read_up_to_the_bound(planned):
    await filled(planned, MIXED)
    for wanted in (
        JobFilter(states=[JobState.BROKEN], order_by="priority", client="c1"),
        JobFilter(search="film", since=HALF, until=HALF + timedelta(hours=2)),
        JobFilter(client="c1", states=[JobState.QUEUED], order_by="workflow"),
    ):
        read, page = await cost(planned, replace(wanted, inspected=200, limit=1000))
        assert read <= 10 + 3 * 201 + 200 + 3 * SLACK
        assert page.next is not None
