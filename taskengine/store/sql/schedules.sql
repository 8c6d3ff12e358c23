-- name: schedules
-- Without their bodies, as everywhere but in `schedule_body`.
select name, class, description, every, first_in, cron, queue, active, next_at, client, created_at
from schedules
order by client is not null, name, client

-- name: schedule_body
select body from schedules where client = $1 and name = $2

-- name: schedule_bodies
select s.client, s.name, case when s.size <= $3 then s.body end as body
from unnest($1::text[], $2::text[]) as w (client, name)
join schedules s on s.client = w.client and s.name = w.name

-- name: schedules_of
select name, size from schedules where client = $1

-- name: put_schedule
insert into schedules (name, class, description, every, first_in, cron, queue, active, next_at,
                       client, body, size, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::json, $12, $13)
on conflict ((coalesce(client, '')), name) do update
set class = excluded.class, description = excluded.description, every = excluded.every,
    first_in = excluded.first_in, cron = excluded.cron, queue = excluded.queue,
    active = excluded.active, next_at = excluded.next_at, body = excluded.body,
    size = excluded.size, created_at = excluded.created_at, tick_at = null, again_at = null

-- name: remove_schedule
delete from schedules where client = $2 and name = $1 returning name

-- name: lock_schedule
select name, class, description, every, first_in, cron, queue, active, next_at, client, created_at
from schedules where coalesce(client, '') = $2 and name = $1
for no key update

-- name: activate_schedule
update schedules set active = $3, next_at = $4, tick_at = null, again_at = null
where coalesce(client, '') = $2 and name = $1

-- name: due_schedules
select name, class, description, every, first_in, cron, queue, active, next_at, client,
       created_at, tick_at
from schedules
where active and coalesce(again_at, next_at, $1) <= $1
order by coalesce(again_at, next_at, $1), name, client
limit 100
for no key update skip locked

-- name: claim_tick
update schedules set next_at = $3, tick_at = $4, again_at = $5
where coalesce(client, '') = $1 and name = $2

-- name: next_tick
-- The tick before may have ended by then.
select min(case when next_at > $1 then least(next_at, again_at)
                else coalesce(again_at, next_at) end) as due
from schedules where active

-- name: end_tick
update schedules set tick_at = null, again_at = null
where coalesce(client, '') = $3 and name = $1 and tick_at = $2

-- name: schedule_interval
select value from settings where scope = '' and name = 'schedule_interval'

-- name: old_jobs
-- The next in the order of their ends, spared or not: however many are, no more are read.
select j.id, j.updated_at from jobs j
where j.state in ({job.over}) and j.open_tasks = 0 and not j.persist and j.updated_at < $1
  and (j.updated_at, j.id) > ($3::timestamptz, $4::bigint)
order by j.updated_at, j.id
limit $2
for update of j skip locked

-- name: still_old
-- Read after the locks: a job that depends on one of them may have come meanwhile. Those that are
-- not spared.
select j.id, j.client, j.state, j.failed from jobs j
where j.id = any($1::bigint[])
  -- Its children are older when they end: those of one with many go first, by and by.
  and case when (select count(*) from (select from edges e where e.parent = j.id
                                       limit $2::integer + 1) as few) > $2::integer then false
           else not exists (select 1 from edges e join jobs c on c.id = e.child
                            where e.parent = j.id and c.state not in ({job.over})) end
  and not exists (select 1 from lanes l
                  where l.job_id = j.id and not l.dead
                    and (l.due_at is not null or l.holder is not null))
order by j.id

-- name: weigh_jobs
-- How many rows go with each, counted up to $2 of a kind; a long text takes one for each 2,000 octets.
select j.id as job_id, 1 + tasks.n + j.lanes + calls.n + events.n + results.n + logs.n + d.size / 2000 as n
from jobs j
join job_data d on d.job_id = j.id
cross join lateral (
    select count(*) as n from (select from tasks t where t.job_id = j.id limit $2) as few
) as tasks
cross join lateral (
    select count(*) as n
    from (select from lanes l join callbacks c on c.lane_id = l.id
          where l.job_id = j.id limit $2) as few
) as calls
cross join lateral (
    select coalesce(sum(1 + octet_length(few.body) / 2000), 0) as n
    from (select e.body from events e where e.job_id = j.id limit $2) as few
) as events
cross join lateral (
    select coalesce(sum(1 + few.size / 2000), 0) as n
    from (select r.size from results r where r.job_id = j.id limit $2) as few
) as results
cross join lateral (
    select coalesce(sum(1 + octet_length(few.message) / 2000), 0) as n
    from (select l.message from logs l where l.job_id = j.id order by l.id limit $2) as few
) as logs
where j.id = any($1::bigint[])
order by j.id

-- name: clear_some_callbacks
delete from callbacks where ctid = any(array(
    select c.ctid from lanes l join callbacks c on c.lane_id = l.id
    where l.job_id = any($1::bigint[]) limit $2))

-- name: clear_some_events
delete from events where ctid = any(array(
    select ctid from events where job_id = any($1::bigint[]) limit $2))

-- name: clear_some_logs
delete from logs where ctid = any(array(
    select ctid from logs where job_id = any($1::bigint[]) limit $2))

-- name: clear_some_results
-- Each may be of 1 MB.
delete from results where ctid = any(array(
    select ctid from results where job_id = any($1::bigint[]) limit greatest($2 / 500, 1)))

-- name: clear_tasks
delete from tasks where job_id = any($1::bigint[])

-- name: clear_callbacks
delete from callbacks where lane_id = any(select id from lanes where job_id = any($1::bigint[]))

-- name: clear_events
delete from events where job_id = any($1::bigint[])

-- name: clear_lanes
delete from lanes where job_id = any($1::bigint[])

-- name: clear_results
delete from results where job_id = any($1::bigint[])

-- name: clear_job_data
delete from job_data where job_id = any($1::bigint[])

-- name: clear_logs
delete from logs where job_id = any($1::bigint[])

-- name: clear_edges
-- Those to its children stay with them, as what they depended on.
delete from edges where child = any($1::bigint[])

-- name: clear_jobs
delete from jobs where id = any($1::bigint[])

-- name: lock_definitions
-- Those that no job has, a few: they are looked at again once they are locked.
select d.digest from definitions d
where not exists (select 1 from jobs j where j.digest = d.digest)
order by d.digest
limit 100
for update skip locked

-- name: clear_definitions
delete from definitions d
where d.digest = any($1::text[]) and not exists (select 1 from jobs j where j.digest = d.digest)

-- name: clear_ends
-- The newest hour tells how late it is.
with old as materialized (
    select hour, client, failed, instance from ends
    where hour < (select max(hour) from ends) - interval '7 days'
    order by hour, client, failed, instance
    limit 1000
    for update skip locked
)
delete from ends e using old o
where (e.hour, e.client, e.failed, e.instance) = (o.hour, o.client, o.failed, o.instance)

-- name: clear_counters
with none as materialized (
    select instance, client, state, failed from counters where n = 0
    order by instance, client, state, failed
    limit 1000
    for update skip locked
)
delete from counters c using none o
where (c.instance, c.client, c.state, c.failed) = (o.instance, o.client, o.state, o.failed)
