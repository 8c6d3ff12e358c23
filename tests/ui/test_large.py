"""A job of very many tasks and lines is as quick to look at as any other, on PostgreSQL."""

import time
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
SECOND = 1.0  # in which a page is there: it takes a tenth of that
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


@pytest.fixture
async def large(api, postgres_store, now):
    """Somebody who looks at an engine with a job of 20,000 tasks and as many lines."""
    world = await World(postgres_store).settle()
    await postgres_store.put_client(Client("root", hash_key(KEY), admin=True))
    job_id = await world.start()
    await fetch(postgres_store, FILL, TASKS, now)
    definitions = Definitions(postgres_store)
    services = replace(api.services, store=postgres_store, definitions=definitions)
    known = replace(api, services=services)
    add_pages(known.app, known.services)
    visitor = Visitor(known.app)
    await visitor.sign_in()
    return visitor, job_id


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("", "part_99"),
        ("?after=15000", "part_15001"),
        ("?state=failed", "part_19999"),
        ("/log", "line 20000"),
    ],
)
async def test_a_job_of_20_000_tasks_is_there_in_a_second(large, place, told):
    visitor, job_id = large
    await visitor.get(f"jobs/{job_id}")  # the templates are made once
    start = time.perf_counter()
    page = await visitor.get(f"jobs/{job_id}{place}")
    took = time.perf_counter() - start
    assert (page.status, told in page.plain) == (200, True)
    assert len(page.text) < 200_000
    assert took < SECOND
