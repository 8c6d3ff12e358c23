"""The hot statements keep to their indexes, with statistics and without (promise 9)."""

import re
from datetime import timedelta

import pytest

from taskengine.store.postgres.queries import queries
from taskengine.testing.contract.world import World, submission
from tests.conftest import NOON
from tests.contract.planning import BY_INDEXES, database_url, planned, prepare, run

__all__ = ["database_url", "planned"]  # fixtures

FILL = """
insert into definitions (digest, name, content, plan, tasks) values ('d', 'demo', '{}',
    '[{"name": "a", "action": "core.noop", "queue": "work", "needs": []}]', 1);
insert into jobs (request_id, client, workflow, state, band, priority, position, top_of_queue,
                  persist, open_tasks, lanes, created_at, updated_at, run_at, digest)
select gen_random_uuid(), 'acme', 'demo', case n % 4 when 0 then 0 when 1 then 5 else 2 end,
       case when n <= 40 then 0 end, 1 + n % 10, 1, false, false, 1, 1,
       '2031-02-01', '2031-02-01', '2031-02-01', 'd'
from generate_series(1, 4000) as n;
insert into job_data select id, '{}', '{}', '{}' from jobs;
insert into tasks (job_id, number, name, action, queue, needs, priority, state, waits_for, due_at)
select id, 0, 'a', 'core.noop', 'work', '{}', priority, case when state = 0 then 1 else 3 end, 0,
       created_at from jobs;
insert into lanes (job_id, ordinal, url, host, due_at)
select id, 0, 'http://one.test', 'one.test', case when state = 0 then created_at end from jobs;
insert into events (job_id, task_id, event, body, created_at)
select id, n, 'start', '{}', '2031-02-01' from jobs, generate_series(1, 2) as n;
insert into callbacks (lane_id, number, event_id)
select l.id, e.task_id, e.id from lanes l join events e on e.job_id = l.job_id;
insert into edges
select id % 50, id, case when id % 10 = 0 then 'ends' else 'completes' end, id % 3 > 0 from jobs;
insert into cascades select id from jobs where id % 40 = 1;
insert into settings select 'c' || n, 'own ' || n, 'x' from generate_series(1, 1000) as n;
insert into held_jobs select 'demo ' || id % 3, id from jobs where state = 0;
insert into pauses values ('workflow', 'demo 1', '2031-02-01', 'root');
insert into logs (job_id, task_id, severity, progname, message, created_at)
select id, 0, 1, 'api', 'x', created_at from jobs;
"""
LANE = "callbacks_lane_id_(?:number|event_id)_key|callbacks_waiting"
INDEXES = {  # of each statement, the one without which its cost would grow
    "group_heads": "jobs_queued",
    "first_queued": "jobs_ranked",
    "system_bounds": "settings_weights",
    "hold_jobs": "jobs_pkey",
    "held_jobs": "held_jobs_pkey",
    "let_go": "held_jobs_job_id_key",
    "queues_of": "tasks_job_id_number_key",
    "first_in_turn": "jobs_queued",
    "turns_before": "jobs_queued",
    "virtual_times": "scopes_pkey",
    "put_virtual_times": "scopes_pkey",
    "all_bounds": "settings_bounds",
    "bounds_of": "settings_bounds|settings_pkey",
    "count_edges": "edges_pkey",
    "lock_with_runs": "edges_pkey",
    "queue_cascades": "edges_open",
    "close_ends": "edges_ends",
    "claim_cascades": "cascades_in_turn",
    "some_edges": "edges_open",
    "heirs_of": "jobs_pkey",
    "lock_family": "jobs_pkey",
    "still_open": "edges_pkey",
    "close_edges": "edges_pkey",
    "hand_edges": "edges_pkey",
    "end_cascades": "edges_open",
    "parents_waited_for": "edges_open",
    "started_jobs": "jobs_started",
    "still_stalled": "tasks_job_id_number_key",
    "recount_tasks": "jobs_pkey",
    "unserved": "tasks_queued",
    "unserved_of": "tasks_job_id_number_key",
    "lock_definitions": "jobs_of_definition",
    "removed_clients": "jobs_of_client",
    "jobs_ahead": "jobs_queued",
    "waiting_job": "tasks_job_id_number_key",
    "edges_of": "edges_pkey",
    "still_queued": "jobs_pkey",
    "running": "jobs_running",
    "start_jobs": "jobs_pkey",
    "write_plan": "jobs_pkey|jobs_accepted",
    "claim": "tasks_queued",
    "queued_totals": "tasks_queued",
    "held": "tasks_held",
    "lock_jobs": "jobs_pkey",
    "lock_tasks": "tasks_pkey",
    "begin_tasks": "tasks_pkey",
    "progress_tasks": "tasks_pkey",
    "requeue_tasks": "tasks_pkey",
    "end_tasks": "tasks_pkey",
    "cancel_rest": "tasks_job_id_number_key",
    "waiting_tasks": "tasks_job_id_number_key",
    "advance_tasks": "tasks_pkey",
    "close_tasks": "jobs_pkey",
    "close_jobs": "jobs_pkey",
    "end_jobs": "jobs_pkey",
    "tasks_by_job": "tasks_job_id_number_key",
    "lanes_of": "lanes_job_id_ordinal_key",
    "put_events": "lanes_job_id_ordinal_key",
    "claim_lanes": "lanes_of_host",
    "next_lane": "lanes_due",
    "waiting_callbacks": "callbacks_waiting",
    "lock_lanes": "lanes_pkey|lanes_held",
    "deliver": "callbacks_pkey",
    "let_go_lanes": "callbacks_waiting",
    "callback_log": LANE,
    "lane_of_callback": "lanes_pkey",
    "queue_due": "jobs_due",
    "next_due": "jobs_due",
    "claim_gates": "jobs_of_gate_host",
    "next_gate": "jobs_gated",
    "workspaces_in_use": "jobs_pkey",
    "log": "logs_pkey",
    "add_lines": "jobs_pkey",
    "changes": "jobs_changed",
    "late_changes": "jobs_changed",
    "progress_of": "tasks_held",
    "progress_of_stopped": "tasks_job_id_number_key",
    "jobs_at_work": "tasks_held",
    "remove_lines": "logs_pkey",
    "count_removed": "jobs_pkey",
    "lock_told": "jobs_pkey",
    "old_jobs": "jobs_ended",
    "still_old": "jobs_pkey",
    "weigh_jobs": "jobs_pkey",
    "clear_some_callbacks": LANE,
    "clear_some_events": "events_job_id_task_id_event_key",
    "clear_some_logs": "logs_pkey",
    "clear_some_results": "results_pkey",
    "clear_tasks": "tasks_job_id_number_key",
    "clear_callbacks": LANE,
    "clear_events": "events_job_id_task_id_event_key",
    "event_body": "events_pkey",
    "documents": "job_data_pkey",
    "sources": "jobs_pkey",
    "callbacks_of": "jobs_pkey",
    "first_failures": "tasks_job_id_number_key",
    "last_task": "tasks_job_id_number_key",
    "clear_lanes": "lanes_job_id_ordinal_key",
    "clear_results": "results_pkey",
    "clear_job_data": "job_data_pkey",
    "clear_logs": "logs_pkey",
    "clear_edges": "edges_pkey",
    "clear_jobs": "jobs_pkey",
    "some_tasks": "tasks_job_id_number_key",
    "task_by_name": "tasks_job_id_number_key",
    "task_summary": "tasks_job_id_number_key",
    "task_result": "results_pkey",
    "last_lines": "logs_pkey",
    "at_work": "tasks_held",
    "instances": "tasks_held",
    "oldest_waiting": "tasks_queued",
    "ends_since": "ends_pkey",
}
SCANNED = re.compile(r"Seq Scan on (jobs|tasks|lanes|callbacks|events|logs|job_data|results)\b")


async def explain(connection, name):
    """The plan of a statement as it runs: prepared, whatever its arguments are."""
    await prepare(connection, name)
    number = max(map(int, re.findall(r"\$(\d+)", queries()[name])), default=0)
    nulls = f"({', '.join(['null'] * number)})" if number else ""
    rows = await connection.fetch(f"explain execute probe{nulls}")
    await connection.execute("deallocate probe")
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("analysed", [False, True], ids=["fresh", "analysed"])
async def test_hot_statements_use_their_indexes(planned, analysed):
    await World(planned).settle()
    await run(planned, FILL, *["analyze"] * analysed)
    wrong = {}
    for name, index in INDEXES.items():
        plan = await planned.pool.run(lambda one, name=name: explain(one, name))
        if SCANNED.search(plan) or not re.search(rf"using ({index}) on|on ({index}) ", plan):
            wrong[name] = plan
    assert not wrong, "\n\n".join(f"{name}\n{plan}" for name, plan in wrong.items())


async def test_what_is_planned_by_indexes_is_so_in_its_transaction(planned):
    world, heard = await World(planned).settle(), []

    async def listen(connection):
        connection.add_query_logger(lambda said: heard.append(said.query))

    await planned.pool.run(listen)
    await planned.queue_due(NOON)
    await planned.claim_gates(1, (), NOON, timedelta(seconds=9))
    await planned.claim_lanes(world.instance, 1, (), NOON)
    await planned.clear_old_jobs(NOON, 1)
    for name in BY_INDEXES:
        before = heard[: heard.index(queries()[name])]
        begun = max(place for place, said in enumerate(before) if said == "begin")
        assert queries()["plan_by_indexes"] in before[begun:], name


ADMISSION = (
    *("system_bounds", "running", "first_queued", "bounds_of"),
    *("lock_scopes", "still_queued", "bounds_of", "running"),
    *("start_jobs", "write_plan", "release_held", "count_jobs"),
)


async def test_an_admission_asks_no_more_where_nothing_is_shared_or_paused(planned):
    world, heard = await World(planned).settle(), []
    await world.submit(submission(), submission())

    async def listen(connection):
        connection.add_query_logger(lambda said: heard.append(said.query))

    await planned.pool.run(listen)
    await planned.admit(world.instance, NOON)
    names = {text: name for name, text in queries().items()}
    assert tuple(names[said] for said in heard if said in names) == ADMISSION
