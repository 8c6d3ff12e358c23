-- name: time
select clock_timestamp() as time

-- name: join_instance
insert into instances (name, joined_at, lease, process) values ($1, $2, $3, $4) returning id

-- name: beat
update instances set beat = beat + 1 where id = $1 and not dead returning beat

-- name: held
select t.id, t.job_id, t.attempt,
       j.state in ({job.over}) or j.failed as unwanted
from tasks t join jobs j on j.id = t.job_id
where t.holder = $1
order by t.id

-- name: wait_for_no_lock
set local lock_timeout = '50ms'

-- name: mark_batch
-- The instance itself is held as its tasks' keys hold it: its heartbeat does not wait for the batch,
-- and whoever declares it dead does.
insert into batches (instance, id)
select id, $2 from instances where id = $1 for key share
on conflict (instance) do update set id = excluded.id where batches.id <> excluded.id
returning instance

-- name: is_marked
select 1 from batches where instance = $1 and id = $2

-- name: put_offer
insert into offers (instance, queue, actions) values ($1, $2, $3)
on conflict (instance, queue) do update set actions = excluded.actions

-- name: put_workflows
update instances set workflows = $2 where id = $1

-- name: unserved
-- Kinds of tasks that are queued and that no instance runs. The index is walked from kind to kind.
with recursive kinds as (
    (select queue, action from tasks where state = {task.queued} and not is_retry
     order by queue, action limit 1)
    union all
    select next.queue, next.action
    from kinds k
    cross join lateral (
        select t.queue, t.action from tasks t
        where t.state = {task.queued} and not t.is_retry
          and (t.queue, t.action) > (k.queue, k.action)
        order by t.queue, t.action
        limit 1
    ) as next
)
select k.queue, k.action
from (select queue, action from kinds limit 1000) as k
where not exists (select 1 from offers o where o.queue = k.queue and k.action = any(o.actions))
order by k.queue, k.action

-- name: unserved_of
-- The first of a job's tasks that are queued and that no instance runs.
select t.name, t.action, t.queue from tasks t
where t.job_id = $1 and t.state + 0 = {task.queued}
  and not exists (select 1 from offers o where o.queue = t.queue and t.action = any(o.actions))
order by t.number
limit 10

-- name: beats
select id, case when not dead then beat end as beat from instances

-- name: declare_dead
-- Its peers are told in the same breath: the process that would tell them later is a witness, and
-- says nothing else.
with dead as (update instances set dead = true where process = $1 and not dead returning id)
select pg_notify('taskengine', '0:death') from dead limit 1

-- name: leases
select id, lease from instances

-- name: lock_instance
select beat, dead, name, lease from instances where id = $1 for update

-- name: lock_instance_row
-- Instances come before tasks and lanes in the order of locks.
select 1 from instances where id = $1 for key share

-- name: mark_over
with others as (
    delete from attempts_over where instance = $1 and task_id <> all ($2::bigint[])
)
insert into attempts_over (instance, task_id, attempt)
select $1, task_id, attempt from unnest($2::bigint[], $3::integer[]) as o (task_id, attempt)
order by task_id
on conflict (instance, task_id) do update set attempt = excluded.attempt

-- name: take_over
delete from attempts_over where instance = $1 returning task_id, attempt

-- name: held_of_instance
select id, job_id, ahead and started_at is null as unbegun from tasks where holder = $1 order by id

-- name: lanes_of_instance
select id, claims from lanes where holder = $1

-- name: release_lanes
update lanes set holder = null, replayed = false, due_at = $2 where holder = $1

-- name: release_some_lanes
update lanes l set holder = null, replayed = false, due_at = $2
from unnest($3::bigint[], $4::integer[]) as given (id, claims)
where l.id = given.id and l.claims = given.claims and l.holder = $1

-- name: forget_instance
delete from instances where id = $1

-- name: fold_counters
with mine as (delete from counters where instance = $1 returning client, state, failed, n)
insert into counters (instance, client, state, failed, n)
select 0, client, state, failed, n from mine order by client, state, failed
on conflict (instance, client, state, failed) do update set n = counters.n + excluded.n

-- name: fold_task_counters
with mine as (delete from task_counters where instance = $1 returning state, n)
insert into task_counters (instance, state, n)
select 0, state, n from mine order by state
on conflict (instance, state) do update set n = task_counters.n + excluded.n

-- name: fold_orphaned_counters
-- Written by an instance after its peers had declared it dead, and before it knew. Tasks it counts
-- under the lock of its row alone.
with orphaned as materialized (
    select c.instance, c.client, c.state, c.failed from counters c
    where c.instance <> 0 and not exists (select 1 from instances i where i.id = c.instance)
    order by c.instance, c.client, c.state, c.failed
    for update skip locked
), gone as (
    delete from counters c using orphaned o
    where (c.instance, c.client, c.state, c.failed) = (o.instance, o.client, o.state, o.failed)
    returning c.client, c.state, c.failed, c.n
)
insert into counters (instance, client, state, failed, n)
select 0, client, state, failed, sum(n) from gone
group by client, state, failed order by client, state, failed
on conflict (instance, client, state, failed) do update set n = counters.n + excluded.n

-- name: count_jobs
insert into counters (instance, client, state, failed, n)
select $1, client, state, failed, n
from unnest($2::text[], $3::smallint[], $4::boolean[], $5::bigint[]) as d (client, state, failed, n)
order by client, state, failed
on conflict (instance, client, state, failed) do update set n = counters.n + excluded.n

-- name: count_tasks
insert into task_counters (instance, state, n)
select $1, state, n from unnest($2::smallint[], $3::bigint[]) as d (state, n)
order by state
on conflict (instance, state) do update set n = task_counters.n + excluded.n

-- name: count_ends
insert into ends (hour, client, failed, instance, n)
select hour, client, failed, $1, n
from unnest($2::timestamptz[], $3::text[], $4::boolean[], $5::bigint[]) as e (hour, client, failed, n)
order by hour, client, failed
on conflict (hour, client, failed, instance) do update set n = ends.n + excluded.n

-- name: job_totals
select state, failed, sum(n)::bigint as n from counters group by state, failed

-- name: task_totals
select state, sum(n)::bigint as n from task_counters group by state

-- name: queued_totals
-- Up to 10,000 of each queue, ready or waiting for a retry: however many there are, no more are read.
with recursive queues as (
    select least((select queue from tasks where state = {task.queued} and not is_retry
                  order by queue limit 1),
                 (select queue from tasks where state = {task.queued} and is_retry
                  order by queue limit 1))
        as queue
    union all
    select least((select t.queue from tasks t
                  where t.state = {task.queued} and not t.is_retry and t.queue > q.queue
                  order by t.queue limit 1),
                 (select t.queue from tasks t
                  where t.state = {task.queued} and t.is_retry and t.queue > q.queue
                  order by t.queue limit 1))
    from queues q
    where q.queue is not null
)
select q.queue, least(10000, ready.n + retries.n) as n
from queues q
cross join lateral (
    select count(*) as n
    from (select 1 from tasks t
          where t.state = {task.queued} and not t.is_retry and t.queue = q.queue
          limit 10000) as counted
) as ready
cross join lateral (
    select count(*) as n
    from (select 1 from tasks t
          where t.state = {task.queued} and t.is_retry and t.queue = q.queue
          limit 10000) as counted
) as retries
where q.queue is not null
