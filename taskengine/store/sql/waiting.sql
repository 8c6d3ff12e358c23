-- name: one_snapshot
set transaction isolation level repeatable read read only

-- name: waiting_job
select {j.job}, j.open_tasks, j.gate_answer, j.gate_due_at,
       (select count(*) from tasks t where t.job_id = j.id and t.state + 0 = {task.working}) as working,
       (select active from schedules where name = 'queue_scheduled_jobs') as queues_due,
       exists (select 1 from held_jobs h where h.job_id = j.id) as is_held
from jobs j
where j.id = $1

-- name: queues_of
-- That tasks of the job wait in.
select distinct queue from tasks where job_id = $1 and state + 0 = {task.queued} order by queue

-- name: edges_of
select parent, kind, open, exists (select 1 from cascades c where c.parent = e.parent) as told
from edges e where child = $1

-- name: jobs_ahead
-- In the order of admission. However long the queue is, no more than $6 entries of it are read.
select count(*) as n
from (
    select 1
    from scopes s
    cross join (values (true), (false)) as top (top)
    cross join generate_series(1, 10) as p (priority)
    cross join lateral (
        select 1 from jobs j
        where j.state = {job.queued} and j.client = s.name and j.top_of_queue = top.top
          and j.priority = p.priority
        order by j.position, j.created_at, j.id
        limit $6
    ) as better
    where s.name <> '' and (not top.top, p.priority) < (not $1::boolean, $2::integer)
    union all
    select 1
    from scopes s
    cross join lateral (
        select 1 from jobs j
        where j.state = {job.queued} and j.client = s.name and j.top_of_queue = $1 and j.priority = $2
          and (j.position, j.created_at, j.id) < ($3::integer, $4::timestamptz, $5::bigint)
        order by j.position, j.created_at, j.id
        limit $6
    ) as equal
    where s.name <> ''
    limit $6
) as ahead
