"""A backlog of 100,000 costs the hot statements nothing, whatever the statistics say (promise 9).

Counted are the pages that a statement touches, on tables that were analysed while they were nearly
empty and filled in a burst since: the worst moment for the planner.
"""

import json
import re

import pytest

from taskengine.store.queries import queries
from tests.contract.world import World

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
select n, 0, 'a', {action}, 'work', '{{}}', 1 + n % 10, 1, 0, {due_at}, {is_retry}
from generate_series(1, {number}) as n
"""
LANES = """
insert into lanes (job_id, ordinal, url, host, due_at)
select n, 0, 'http://one.test', {host}, {due_at} from generate_series(1, {number}) as n
"""


def jobs(*, client="'acme'", state=0, run_at="'2031-02-01'", gate="null", number=MANY):
    return JOBS.format(client=client, state=state, run_at=run_at, gate=gate, number=number)


def tasks(*, action="'core.noop'", due_at="'2031-02-01'", is_retry="false"):
    return TASKS.format(action=action, due_at=due_at, is_retry=is_retry, number=MANY)


def lanes(*, host="'one.test'", due_at="'2031-02-01'", number=MANY):
    return LANES.format(host=host, due_at=due_at, number=number)


NOON = "'2031-02-01 12:00'"
LATER = "'2031-03-01'::timestamptz + n * interval '1 second'"
SERVED = "array['core.noop', 'core.sleep', 'storage.list', 'http.request']"
CLAIM = ("claim", f"1, 'work', {SERVED}, 9, gen_random_uuid(), {NOON}, 100")
TOTALS = ("queued_totals", "")
CLAIM_LANES = ("claim_lanes", f"1, 32, array['one.test'], {NOON}, 2")
NEXT_LANE = ("next_lane", NOON)
DUE = [("queue_due", NOON), ("next_due", "")]
GATES = [("claim_gates", f"{NOON}, '2031-02-01 12:01', 64, array['busy'], 2"), ("next_gate", NOON)]
ROOM = "'[500, 500, 5]', '{}', 500"
FULL = "'[500, 500, 5]', '{\"acme\": [0, 0, 5]}', 500"
# The pages that 500 changed rows touch: each is written anew, in its table and in its indexes.
CHANGING = 25_000
BY_INDEXES = ("queue_due", "old_jobs")  # they are planned so in their transactions
BACKLOGS = {  # what was filled in, the statements that it must not slow down, and their pages
    "tasks": (tasks(), [CLAIM], 700),
    "retries": (tasks(due_at=LATER, is_retry="true"), [CLAIM], 100),
    "due retries": (tasks(is_retry="true"), [CLAIM], CHANGING),
    "tasks of others": (tasks(action="'not.here'"), [CLAIM], 100),
    "retries of others": (tasks(action="'not.here'", is_retry="true"), [CLAIM], 100),
    "jobs": (jobs(), [("lane_heads", ROOM)], 2_500),
    "jobs of a client at its cap": (jobs(), [("lane_heads", FULL)], 20),
    "jobs of many clients": (jobs(client="'c' || n % 5000"), [("lane_heads", ROOM)], 80_000),
    "tasks, counted": (tasks(), [TOTALS], 11_000),  # of each counted one, at the worst
    "retries, counted": (tasks(due_at=LATER, is_retry="true"), [TOTALS], 11_000),
    "lanes of a busy host": (lanes(), [CLAIM_LANES, NEXT_LANE], 1_500),
    "lanes of a free host": (lanes(host="'two.test'"), [CLAIM_LANES, NEXT_LANE], 1_500),
    "lanes that wait": (lanes(due_at=LATER), [CLAIM_LANES, NEXT_LANE], 1_500),
    "lanes of many hosts": (lanes(host="'h' || n % 5000"), [CLAIM_LANES, NEXT_LANE], CHANGING),
    "scheduled jobs": (jobs(state=5, run_at=LATER), DUE, 100),
    "due jobs": (jobs(state=5), DUE, CHANGING),
    "gated jobs": (jobs(state=5, gate="'http://g'", run_at=LATER), GATES, 100),
    "old jobs": (jobs(state=2), [("old_jobs", "'2031-03-01', 200, '-infinity', 0")], 1000),
    "due gates": (jobs(state=5, gate="'http://g'"), GATES, 200),
    "due gates of a busy host": (jobs(state=5, gate="'http://busy'"), GATES, 100),
}


@pytest.mark.parametrize("backlog", BACKLOGS)
async def test_a_backlog_costs_nothing(postgres_store, backlog):
    await World(postgres_store).settle()
    fill, statements, pages = BACKLOGS[backlog]
    await run(postgres_store, "analyze")
    await run(postgres_store, fill)
    for name, arguments in statements:
        used, plan = await postgres_store.pool.run(
            lambda one, name=name, arguments=arguments: touched(one, name, arguments)
        )
        assert used <= pages, f"{name} touches {used} pages\n{plan[:1500]}"


async def run(store, text):
    unbound = f"set statement_timeout = 0; {text}"
    await store.pool.run(lambda one: one.execute(unbound, timeout=60), single=True)


async def touched(connection, name, arguments):
    """How many pages a statement touches as it runs: prepared, whatever its arguments are."""
    if name in BY_INDEXES:
        await connection.execute(queries()["plan_by_indexes"])
    await connection.execute(f"prepare probe as {queries()[name]}")
    execute = f"execute probe({arguments})" if arguments else "execute probe"
    rows = await connection.fetch(f"explain (analyze, buffers, format json) {execute}")
    await connection.execute("deallocate probe")
    [plan] = json.loads(rows[0][0])
    used = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return used, re.sub(r'[ \n{}",]+', " ", rows[0][0])
