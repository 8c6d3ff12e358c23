-- name: snapshot
-- The number that the next transaction has, and those of the ones that are under way.
select pg_snapshot_xmax(s)::text::bigint as next,
       array(select x::text::bigint from pg_snapshot_xip(s) as x) as open
from pg_current_snapshot() as s

-- name: late_changes
-- Of transactions that were under way when others, with higher numbers, were read.
select changed::text::bigint as number, {job}
from jobs
where changed = any($1::text[]::xid8[])
order by changed, id

-- name: changes
select changed::text::bigint as number, {job}
from jobs
where (changed, id) > ($1::text::xid8, $2) and changed < $3::text::xid8
order by changed, id
limit $4

-- name: progress_of
-- Of jobs that go on: what is closed, and how far the tasks at work have come. Few rows are read,
-- however many tasks there are.
with held as materialized (
    select job_id, sum(progress::float8) as done from tasks where holder is not null group by job_id
)
select j.id as job_id, d.tasks - j.open_tasks + coalesce(h.done, 0) as done, d.tasks as n
from jobs j
join definitions d on d.digest = j.digest
left join held h on h.job_id = j.id
where j.id = any($1::bigint[]) and j.open_tasks > 0

-- name: progress_of_stopped
-- Tasks that were cancelled are closed as well: they are read one by one.
select job_id, sum(case when state = {task.skipped} then 1 else progress::float8 end) as done,
       count(*) as n
from tasks
where job_id = any($1::bigint[])
group by job_id

-- name: jobs_at_work
select id, state, failed from jobs
where id in (select job_id from tasks where holder is not null)
