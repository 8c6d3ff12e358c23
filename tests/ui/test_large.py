"""A job of very many tasks and lines is as quick to look at as any other, on PostgreSQL."""

from dataclasses import replace

import pytest

from taskengine.actors.definitions import Definitions
from taskengine.api_keys import hash_key
from taskengine.model import Client
from taskengine.testing.contract.world import World
from taskengine.ui import add_pages
from tests.api.conftest import KEY
from tests.contract.recount import fetch
from tests.ui.conftest import Visitor

TASKS = 20_000
# Rows that a page may read: the tasks as often as it asks something of all of them (how many do
# what, and which wait for whom); of the log what it shows.
OVERVIEW, LOG = 6 * TASKS, 2_000
FILL = """
with job as (select id from jobs limit 1), made as (
    insert into tasks (job_id, number, name, action, queue, needs, priority, state, waits_for,
                       due_at, started_at, ended_at)
    select job.id, n, 'part_' || n, 'core.noop', 'work', '{}', 5,
           case when n = $1::integer - 1 then 4 when n % 3 = 0 then 3 else 1 end, 0,
           $2::timestamptz, $2::timestamptz, case when n % 3 = 0 then $2::timestamptz end
    from job, generate_series(1, $1::integer - 1) as n
)
insert into logs (job_id, task_id, severity, progname, message, created_at)
select job.id, 0, 1, 'worker', 'line ' || n, $2::timestamptz
from job, generate_series(1, $1::integer) as n
"""


READ = """
select sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::integer
from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
"""


class CountingPool:
    """Connections of which it is counted how many rows they read."""

    def __init__(self, pool):
        self.pool, self.rows = pool, 0

    def __getattr__(self, name):
        return getattr(self.pool, name)

    async def run(self, transaction, *, single=False, **options):
        async def counted(connection):
            await connection.execute("set transaction isolation level repeatable read")
            before = await connection.fetchval(READ)
            answer = await transaction(connection)
            self.rows += await connection.fetchval(READ) - before
            return answer

        return await self.pool.run(counted, **options)


@pytest.fixture
async def large(api, postgres_store, now):
    """Somebody who looks at an engine with a job of 20,000 tasks and as many lines."""
    world = await World(postgres_store).settle()
    await postgres_store.put_client(Client("root", hash_key(KEY), admin=True))
    job_id = await world.start()
    await fetch(postgres_store, FILL, TASKS, now)
    pool = CountingPool(postgres_store.pool)
    counted = replace(postgres_store, pool=pool)
    services = replace(api.services, store=counted, definitions=Definitions(counted))
    known = replace(api, services=services)
    add_pages(known.app, known.services)
    visitor = Visitor(known.app)
    await visitor.sign_in()
    return visitor, job_id, pool


@pytest.mark.parametrize(
    ("place", "told", "most"),
    [
        ("", "part_99", OVERVIEW),
        ("?after=15000", "part_15001", OVERVIEW),
        ("?state=failed", "part_19999", OVERVIEW),
        ("/log", "line 20000", LOG),
    ],
)
async def test_a_page_of_a_job_of_20_000_tasks_reads_them_a_few_times(large, place, told, most):
    visitor, job_id, pool = large
    pool.rows = 0
    page = await visitor.get(f"jobs/{job_id}{place}")
    assert (page.status, told in page.plain) == (200, True)
    assert len(page.text) < 200_000
    assert 0 < pool.rows <= most
