"""A backlog of 100,000 costs the hot statements nothing, whatever the statistics say (promise 9).

Counted are the pages that a statement touches, at the worst moments for the planner: right after a
burst, when the statistics know that of the jobs so far nothing waits any more, or know nothing.
"""

import json
import re

import pytest
import trio_asyncio

from taskengine.store.postgres import open_postgres
from taskengine.testing.contract.world import World
from tests.conftest import fresh_database
from tests.contract.planning import FORGET, STILL, prepare, run

HISTORY = """
insert into jobs (request_id, client, workflow, state, priority, position, top_of_queue, persist,
                  created_at, updated_at, run_at, semaphore_url, gate_open, digest)
select gen_random_uuid(), 'acme', 'demo', 2, 1 + n % 10, 1, false, true,
       '2031-02-01', '2031-02-01', '2031-02-01', 'http://g', true, 'd'
from generate_series(1, 5000) as n;
insert into tasks (job_id, number, name, action, queue, needs, priority, state, waits_for, due_at)
select id, 0, 'a', 'core.noop', 'work', '{}', priority, 3, 0, '2031-02-01' from jobs;
insert into lanes (job_id, ordinal, url, host, due_at)
select id, 0, 'http://one.test', 'one.test', null from jobs
"""
MANY = 100_000
JOBS = """
insert into jobs (request_id, client, workflow, state, priority, position, top_of_queue, persist,
                  created_at, updated_at, run_at, semaphore_url, digest)
select gen_random_uuid(), {client}, 'demo', {state}, 1 + n % 10, 1, false, false,
       '2031-02-01', '2031-02-01', {run_at}, {gate}, 'd'
from generate_series(1, {number}) as n
"""
TASKS = """
insert into tasks (job_id, number, name, action, queue, needs, priority, state, waits_for, due_at,
                   is_retry)
select 100000 + n, 0, 'a', {action}, 'work', '{{}}', 1 + n % 10, 1, 0, {due_at}, {is_retry}
from generate_series(1, {number}) as n
"""
LANES = """
insert into lanes (job_id, ordinal, url, host, due_at)
select 100000 + n, 0, 'http://one.test', {host}, {due_at} from generate_series(1, {number}) as n
"""


def jobs(*, client="'acme'", state=0, run_at="'2031-02-01'", gate="null", number=MANY):
    return JOBS.format(client=client, state=state, run_at=run_at, gate=gate, number=number)


def tasks(*, action="'core.noop'", due_at="'2031-02-01'", is_retry="false"):
    return TASKS.format(action=action, due_at=due_at, is_retry=is_retry, number=MANY)


def lanes(*, host="'one.test'", due_at="'2031-02-01'", number=MANY):
    return LANES.format(host=host, due_at=due_at, number=number)


HELD = f"""
insert into held_jobs select 'w' || n % 3, n from generate_series(1, {MANY}) as n;
insert into pauses select 'workflow', 'w' || n, '2031-02-01', 'root'
from generate_series(0, 2) as n;
insert into held_jobs values ('x', 0)
"""
NOON = "'2031-02-01 12:00'"
LATER = "'2031-03-01'::timestamptz + n * interval '1 second'"
SERVED = "array['core.noop', 'core.sleep', 'storage.list', 'http.request']"
FOR_NINE = f"1, 'work', {SERVED}, 9, gen_random_uuid(), {NOON}, 100, 65536"
CLAIM = ("claim", f"{FOR_NINE}, 0, array[]::text[]")
CLAIM_AHEAD = ("claim", f"{FOR_NINE}, 64, {SERVED}")  # eight times as many
TOTALS = ("queued_totals", "")
CLAIM_LANES = ("claim_lanes", f"1, 32, array['one.test'], {NOON}, 2, array['two.test'], 32")
NEXT_LANE = ("next_lane", NOON)
DUE = [("queue_due", NOON), ("next_due", "")]
GATES = [("claim_gates", f"{NOON}, '2031-02-01 12:01', 64, array['busy'], 2"), ("next_gate", NOON)]
ROOM = "'[500, 500, 5]', '{}', 500"
FULL = "'[500, 500, 5]', '{\"acme\": [0, 0, 5]}', 500"
TURNS = "'{\"c1\": 500}', 1000000"
IN_TURN = ("first_in_turn", f"{ROOM}, {TURNS}")
FULL_IN_TURN = ("first_in_turn", f"{FULL}, {TURNS}")
ONE_IN_TURN = ("first_in_turn", f"'[1, 1, 5]', '{{}}', 1, {TURNS}")
# The pages that 500 changed rows touch: each is written anew, in its table and in its indexes.
CHANGING = 25_000


def at_most(pages, *statements):
    return [(pages, statement) for statement in statements]


BACKLOGS = {  # what was filled in, and the statements that it must not slow down, with their pages
    "tasks": (
        tasks(),  # of each, at the worst
        at_most(700, CLAIM) + at_most(3_000, CLAIM_AHEAD) + at_most(11_000, TOTALS),
    ),
    "retries": (
        tasks(due_at=LATER, is_retry="true"),
        at_most(100, CLAIM) + at_most(11_000, TOTALS),
    ),
    "due retries": (tasks(is_retry="true"), at_most(CHANGING, CLAIM)),
    "tasks of others": (tasks(action="'not.here'"), at_most(100, CLAIM, CLAIM_AHEAD)),
    "retries of others": (tasks(action="'not.here'", is_retry="true"), at_most(100, CLAIM)),
    "jobs": (
        jobs(),
        at_most(2_500, ("group_heads", ROOM), IN_TURN)
        + at_most(20, ("group_heads", FULL), FULL_IN_TURN, ("system_bounds", ""))
        + at_most(30, ONE_IN_TURN)
        + at_most(2_500, ("first_queued", "500")),
    ),
    "jobs of many clients": (
        jobs(client="'c' || n % 5000"),
        at_most(80_000, ("group_heads", ROOM), IN_TURN, ONE_IN_TURN),
    ),
    "jobs that are set aside": (HELD, at_most(100, ("held_jobs", "50"))),
    "lanes of a busy host": (lanes(), at_most(1_500, CLAIM_LANES, NEXT_LANE)),
    "lanes of a free host": (lanes(host="'two.test'"), at_most(1_500, CLAIM_LANES, NEXT_LANE)),
    "lanes that wait": (lanes(due_at=LATER), at_most(1_500, CLAIM_LANES, NEXT_LANE)),
    "lanes of many hosts": (
        lanes(host="'h' || n % 5000"),
        at_most(CHANGING, CLAIM_LANES, NEXT_LANE),
    ),
    "scheduled jobs": (jobs(state=5, run_at=LATER), at_most(100, *DUE)),
    "due jobs": (jobs(state=5), at_most(CHANGING, *DUE)),
    "gated jobs": (jobs(state=5, gate="'http://g'", run_at=LATER), at_most(100, *GATES)),
    "old jobs": (jobs(state=2), at_most(1000, ("old_jobs", "'2031-03-01', 200, '-infinity', 0"))),
    "due gates": (jobs(state=5, gate="'http://g'"), at_most(200, *GATES)),
    "due gates of a busy host": (jobs(state=5, gate="'http://busy'"), at_most(100, *GATES)),
}


@pytest.fixture(scope="session")
def history(postgres_server):
    """A database with jobs that are over, and with statistics of them, to be copied."""
    with fresh_database(postgres_server) as url:
        trio_asyncio.run(write_history, url)
        yield url.rpartition("/")[2]


async def write_history(url):
    async with open_postgres(url, connections=1) as store:
        await run(store, STILL)
        await World(store).settle()
        await run(store, HISTORY, "vacuum analyze")


@pytest.fixture
def database_url(postgres_server, history):
    with fresh_database(postgres_server, history) as url:
        yield url


@pytest.mark.parametrize("backlog", BACKLOGS)
async def test_a_backlog_costs_nothing(postgres_store, backlog):
    fill, statements = BACKLOGS[backlog]
    await run(postgres_store, fill)
    for known in ("with statistics of the jobs before", "without any"):
        for pages, (name, arguments) in statements:
            used, plan = await postgres_store.pool.run(
                lambda one, name=name, arguments=arguments: touched(one, name, arguments)
            )
            assert used <= pages, f"{name} touches {used} pages {known}\n{plan[:1500]}"
        await run(postgres_store, FORGET)


async def touched(connection, name, arguments):
    """How many pages a statement touches as it runs: prepared, whatever its arguments are."""
    await prepare(connection, name)
    execute = f"execute probe({arguments})" if arguments else "execute probe"
    rows = await connection.fetch(f"explain (analyze, buffers, format json) {execute}")
    await connection.execute("deallocate probe")
    [plan] = json.loads(rows[0][0])
    used = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return used, re.sub(r'[ \n{}",]+', " ", rows[0][0])
