-- name: some_tasks
select {task} from tasks
where job_id = $1 and number > $2 and ($4::smallint is null or state + 0 = $4)
order by number limit $3

-- name: task_by_name
select {task} from tasks where job_id = $1 and name = $2 order by number limit 1

-- name: task_summary
select state, count(*) as n, min(started_at) as started_at, max(ended_at) as ended_at,
       sum(case when state = {task.skipped} then 1 else progress end)::float8 as done
from tasks where job_id = $1
group by state

-- name: task_result
-- A large one is not read: its size is told.
select case when size <= $3 then result::text end as result, size
from results where job_id = $1 and name = $2

-- name: last_lines
select * from (
    select id, job_id, task_id, severity, progname, message, created_at
    from logs
    where job_id = $1 and severity >= $2 and id < $3
    order by id desc
    limit $4
) as latest
order by id

-- name: instances
select i.id, i.name, i.joined_at, i.lease, i.dead, i.workflows,
       (select count(*) from tasks t where t.holder = i.id) as working,
       array(select o.queue from offers o where o.instance = i.id order by o.queue) as queues
from instances i
order by i.id

-- name: at_work
-- There are as many as workers, and they are found first.
with held as materialized (
    select {task}, holder, claimed_at from tasks where holder is not null
)
select {h.task}, h.holder, j.client, j.workflow, j.content_id
from held h join jobs j on j.id = h.job_id
where $2::text is null or j.client = $2
order by coalesce(h.started_at, h.claimed_at), h.id
limit $1

-- name: oldest_waiting
-- The index is walked from one kind of task and priority to the next; of each the first is read.
with recursive heads as (
    (select queue, action, priority, id, due_at from tasks
     where state = {task.queued} and not is_retry
     order by queue, action, priority, id limit 1)
    union all
    select next.queue, next.action, next.priority, next.id, next.due_at
    from heads h
    cross join lateral (
        select t.queue, t.action, t.priority, t.id, t.due_at from tasks t
        where t.state = {task.queued} and not t.is_retry
          and (t.queue, t.action, t.priority) > (h.queue, h.action, h.priority)
        order by t.queue, t.action, t.priority, t.id
        limit 1
    ) as next
)
select queue, min(due_at) as since
from (select queue, due_at from heads limit 1000) as first
group by queue

-- name: ends_since
select hour, failed, sum(n)::bigint as n
from ends
where hour >= $1 and ($2::text is null or client = $2)
group by hour, failed
order by hour, failed

-- name: oldest_queued
-- In the order of ids, which is that of their creation but for a moment.
select created_at from jobs
where state = {job.queued} and state - 1 <> 0
order by state, id + 0
limit 1

-- name: snapshot_since
-- Of the oldest in this database but its own: what died since is read by claims and admissions again
-- and again. Vacuum's keep nothing. A role sees its own sessions, with pg_read_all_stats all.
select min(since) as since
from (
    select xact_start as since from pg_stat_activity
    where backend_xmin is not null and pid <> pg_backend_pid()
      and backend_type <> 'autovacuum worker' and (datname = current_database() or datname is null)
    union all
    select prepared from pg_prepared_xacts where database = current_database()
) as held

-- name: lanes_dead
select count(*) as n from (select id from lanes where dead order by id limit 10000) as few
