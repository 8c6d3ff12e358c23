"""The counters of a database against what its tables hold."""

from taskengine.model import JobState, TaskState
from taskengine.store.postgres import PostgresStore

JOBS = "select state, failed, count(*) as n from jobs group by state, failed"
# Without those that a retry has kept: they were counted in the job that it goes on with.
TASKS = """
select state, count(*) as n from tasks t
where state in (3, 4, 6) and not exists (
    select from jobs j join tasks before on before.job_id = j.rerun_of
    where j.id = t.job_id and j.workspace is not null and before.name = t.name
      and before.ended_at = t.ended_at and before.attempt = t.attempt)
group by state
"""
COUNTED = "select state, sum(n)::bigint as n from task_counters where state <> 5 group by state"


async def fetch(store: PostgresStore, query: str, *arguments: object) -> list[tuple]:
    rows = await store.pool.run(lambda one: one.fetch(query, *arguments), single=True)
    return [tuple(row) for row in rows]


async def assert_counters_are_true(store: PostgresStore, *, cleared: bool = False) -> None:
    """Tasks are counted for ever, so that where jobs were `cleared` there are fewer rows."""
    jobs = {(JobState(state), failed): n for state, failed, n in await fetch(store, JOBS)}
    assert (await store.totals()).jobs == jobs
    tasks = {TaskState(state): n for state, n in await fetch(store, TASKS)}
    counted = {TaskState(state): n for state, n in await fetch(store, COUNTED)}
    assert counted == tasks or (cleared and all(n <= counted[one] for one, n in tasks.items()))
