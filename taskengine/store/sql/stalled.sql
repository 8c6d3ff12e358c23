-- name: started_jobs
-- The next that hold slots, started or being stopped, and whether nobody is at work on them.
with page as materialized (
    (select id from jobs where state * 1 = {job.started} and id + 0 > $1 order by id + 0 limit $2)
    union all
    (select id from jobs where band is not null and state + 0 = {job.broken} and id > $1
     order by id limit $2)
    order by id
    limit $2
)
select p.id, not exists (select 1 from tasks t
                         where t.job_id = p.id
                           and t.state + 0 in ({task.queued}, {task.working})) as stalled
from page p
order by p.id

-- name: still_stalled
-- Of locked jobs: what is left of their tasks, and the last of them.
select j.id, left_over.n, left_over.first, (select max(t.id) from tasks t where t.job_id = j.id) as last
from jobs j
cross join lateral (
    select count(*) as n, min(t.id) as first
    from tasks t where t.job_id = j.id and t.state + 0 = {task.waiting}
) as left_over
where j.id = any($1::bigint[])
  and (j.state + 0 = {job.started} or (j.state + 0 = {job.broken} and j.band is not null))
  and not exists (select 1 from tasks t where t.job_id = j.id
                  and t.state + 0 in ({task.queued}, {task.working}))
order by j.id

-- name: recount_tasks
update jobs j set open_tasks = c.n, failed = j.failed or (c.n = 0 and j.state = {job.started})
from unnest($1::bigint[], $2::integer[]) as c (id, n)
where j.id = c.id
