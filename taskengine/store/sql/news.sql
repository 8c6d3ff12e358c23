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
select job_id, sum(case when state = {task.skipped} then 1 else progress::float8 end) as done,
       count(*) as n
from tasks
where job_id = any($1::bigint[])
group by job_id

-- name: jobs_at_work
select distinct job_id from tasks where holder is not null
