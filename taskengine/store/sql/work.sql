-- name: group_heads
-- The $3 best jobs for which there is room. The index is walked from group to group (client,
-- top_of_queue, priority), past all that waits in one, and past clients without room. A job among
-- the best is in a group whose head is among the best heads, so no more of them are read.
with recursive queued_groups as (
    (select j.client, j.top_of_queue as top, j.priority,
            coalesce($2::jsonb -> j.client, $1::jsonb) as room
     from jobs j
     where j.state = {job.queued}
     order by j.client, j.top_of_queue, j.priority
     limit 1)
    union all
    select next.client, next.top_of_queue, next.priority,
           coalesce($2::jsonb -> next.client, $1::jsonb)
    from queued_groups g
    cross join lateral (
        select j.client, j.top_of_queue, j.priority
        from jobs j
        where j.state = {job.queued} and (j.client, j.top_of_queue, j.priority) > (
            g.client, g.top or (g.room ->> 1)::integer = 0,
            case when (g.room ->> 1)::integer = 0 then 32767::smallint else g.priority end
        )
        order by j.client, j.top_of_queue, j.priority
        limit 1
    ) as next
), roomy as materialized (
    select client, top, priority,
           (room ->> (priority <= (room ->> 2)::integer)::integer)::integer as room
    from queued_groups
), best as materialized (
    select r.client, r.top, r.priority, r.room,
           row_number() over (order by not r.top, r.priority, h.position, h.created_at, h.id) as n
    from roomy r
    cross join lateral (
        select j.position, j.created_at, j.id from jobs j
        where j.state = {job.queued} and j.client = r.client and j.top_of_queue = r.top
          and j.priority = r.priority
        order by j.position, j.created_at, j.id
        limit 1
    ) as h
    where r.room > 0
    order by n
    limit $3
)
select h.id, b.client, b.top as top_of_queue, b.priority, h.position, h.created_at
from best b
cross join lateral (
    select j.id, j.position, j.created_at from jobs j
    where j.state = {job.queued} and j.client = b.client and j.top_of_queue = b.top
      and j.priority = b.priority
    order by j.position, j.created_at, j.id
    limit least(b.room, $3 - b.n + 1)
) as h
order by not b.top, b.priority, h.position, h.created_at, h.id
limit $3

-- name: lock_scopes
select name from scopes where name = any($1::text[]) order by name for no key update

-- name: first_queued
-- In the order of A11, whosever they are.
select * from (
    (select id, client, workflow, top_of_queue, priority, position, created_at
     from jobs where state * 1 = {job.queued} and top_of_queue
     order by priority, position, created_at, id limit $1)
    union all
    (select id, client, workflow, top_of_queue, priority, position, created_at
     from jobs where state * 1 = {job.queued} and not top_of_queue
     order by priority, position, created_at, id limit $1)
) as both_parts
order by top_of_queue desc, priority, position, created_at, id limit $1

-- name: still_queued
-- `state + 0`: else the planner may read the index of all queued jobs instead of these few.
select j.id, j.client, j.workflow, j.top_of_queue, j.priority, j.position, j.created_at,
       coalesce((select d.tasks from definitions d where d.digest = j.digest), 0) as tasks
from jobs j where j.id = any($1::bigint[]) and j.state + 0 = {job.queued}

-- name: all_bounds
-- Of what clients store, only what admission goes by: whatever else they store, it costs nothing. And
-- what is paused.
select scope, name, value, null::timestamptz as until from settings
where name in ('max_jobs', 'priority_slots', 'priority_threshold')
union all
select name, 'paused', kind, until from pauses

-- name: bounds_of
select scope, name, value, null::timestamptz as until from settings
where scope = any($1::text[]) and name in ('max_jobs', 'priority_slots', 'priority_threshold')
union all
select name, 'paused', kind, until from pauses

-- name: running
select client, band, count(*) as n from jobs where band is not null group by client, band

-- name: start_jobs
-- One whose priority has changed since the choice may be of another band: it is looked at again.
update jobs j
set state = {job.started}, band = c.band, updated_at = $1, changed = pg_current_xact_id(),
    open_tasks = case when j.open_tasks > 0 then j.open_tasks
                 else coalesce((select d.tasks from definitions d where d.digest = j.digest), 0)
                 end
from unnest($2::bigint[], $3::smallint[], $4::smallint[]) as c (id, priority, band)
where j.id = c.id and j.priority = c.priority and j.state + 0 = {job.queued} -- as above
returning j.id, j.client, j.failed,
          extract(epoch from $1 - greatest(j.created_at, j.run_at))::float8 as waited

-- name: write_plan
-- In the order given, the best job first: among equals the oldest task is claimed first.
insert into tasks (job_id, number, name, action, queue, needs, priority, state, waits_for, due_at)
select j.id, p.n - 1, p.task ->> 'name', p.task ->> 'action', p.task ->> 'queue', needs.list,
       j.priority, case when cardinality(needs.list) = 0 then {task.queued} else {task.waiting} end,
       cardinality(needs.list), $1
from unnest($2::bigint[]) with ordinality as s (id, rank)
join jobs j on j.id = s.id and not exists (select 1 from tasks t where t.job_id = j.id)
join definitions d on d.digest = j.digest
cross join lateral jsonb_array_elements(d.plan) with ordinality as p (task, n)
cross join lateral (
    select coalesce(array_agg(distinct e::smallint), '{}') as list -- each is met once
    from jsonb_array_elements_text(p.task -> 'needs') as e
) as needs
order by s.rank, p.n

-- name: release_held
-- Tasks are written once: those of a job that was paused are held until it goes on.
update tasks set state = {task.queued}, due_at = greatest(due_at, $1), is_retry = due_at > $1
where job_id = any($2::bigint[]) and state = {task.waiting} and waits_for = 0

-- name: claim
-- One statement, for it runs at every turn. No row: the instance was dismissed. What the claim id got
-- before, its answer lost, is all that it gets (rule 4). The heads of each action are merged with the
-- retries that are due, which are ready from then on, in the order of all others; $7 more of them
-- than are wanted, for others may hold locks. $4 are for idle workers; besides, as many as $9 are
-- claimed ahead, of the actions $10 and never tried before. MATERIALIZED: a nested loop may otherwise run a
-- subquery again and take more than its limit (rule 21). Documents beyond $8 octets are left where
-- they are.
with present as materialized (
    select id, name from instances where id = $1 for key share -- before tasks, in the order of locks
), free as materialized (
    -- Neither the instance nor the queue is paused.
    select id from present i
    where not exists (
        select 1 from pauses p
        where ((p.kind = 'queue' and p.name = $2) or (p.kind = 'instance'
                and p.name in (i.name, regexp_replace(i.name, '-[0-9]+$', ''))))
          and (p.until is null or p.until > $6)
    )
), before as materialized (
    select id from tasks where claim_id = $5 and holder = $1
), due as materialized (
    select h.id, h.priority
    from unnest($3::text[]) as a (action)
    cross join lateral (
        select t.id, t.priority, t.due_at from tasks t
        where t.state = {task.queued} and t.is_retry and t.queue = $2 and t.action = a.action
          and t.due_at <= $6
        order by t.due_at, t.id
        limit 500
    ) as h
    order by h.due_at, h.id
    limit 500
), fresh as materialized (
    select h.id, h.priority
    from unnest($3::text[]) as a (action)
    cross join lateral (
        select t.id, t.priority from tasks t
        where t.state = {task.queued} and not t.is_retry and t.queue = $2 and t.action = a.action
        order by t.priority, t.id
        limit $4::integer + $7::integer + $9::integer
    ) as h
), heads as materialized (
    select id, priority from (select * from fresh union all select * from due) as both_kinds
    order by priority, id
    limit $4::integer + $7::integer + $9::integer
), ready as materialized (
    select t.id from heads h join tasks t on t.id = h.id
    where t.state + 0 = {task.queued} -- read again under the lock, not from an index
      and (t.due_at <= $6 or not t.is_retry)
      and exists (select from free) and not exists (select from before)
    order by h.priority, h.id
    limit $4
    for no key update of t skip locked
), early as materialized (
    select t.id from heads h join tasks t on t.id = h.id
    where h.id not in (select id from ready) and t.state + 0 = {task.queued} and t.attempt = 0
      and t.action in (select unnest($10::text[])) and not t.is_retry
      and exists (select from free) and not exists (select from before)
    order by h.priority, h.id
    limit $9
    for no key update of t skip locked
), taken as (
    update tasks t
    set state = {task.working}, attempt = t.attempt + 1, holder = $1, claim_id = $5, progress = 0,
        is_retry = false, claimed_at = coalesce(t.claimed_at, $6), ahead = chosen.ahead
    from (select id, false as ahead from ready union all select id, true from early) as chosen
    where t.id = chosen.id
    returning {t.task}, t.claimed_at, t.priority
), left_over as materialized (
    select t.id from due d join tasks t on t.id = d.id
    where d.id not in (select id from ready) and t.state + 0 = {task.queued} and t.is_retry
      and exists (select from free)
    for no key update of t skip locked
), woken as (
    update tasks t set is_retry = false from left_over where t.id = left_over.id
), got as materialized (
    select * from taken
    union all
    select {t.task}, t.claimed_at, t.priority
    from before b join tasks t on t.id = b.id
), looked_at as materialized (
    -- What the jobs' tasks gave, where it is little: once for all tasks of a job that were got.
    select g.job_id,
           case when (select coalesce(sum(few.size), 0) <= $8 and count(*) <= 64
                      from (select r.size from results r where r.job_id = g.job_id limit 65) as few)
                then (select coalesce(json_object_agg(r.name, r.result), '{}')
                      from results r where r.job_id = g.job_id)
           end as results
    from (select distinct job_id from got where number > 0) as g
), next as materialized (
    -- When the next retry is due, for who got less than it wanted: at once, if others held the
    -- locks of all that it tried besides what it got.
    select min(h.due_at) as due_at
    from unnest($3::text[]) as a (action)
    cross join lateral (
        (select t.due_at from tasks t
         where t.state = {task.queued} and t.is_retry and t.queue = $2 and t.action = a.action
           and t.due_at > $6
         order by t.due_at
         limit 1)
        union all
        (select $6 from tasks t
         where t.state = {task.queued} and not t.is_retry and t.queue = $2 and t.action = a.action
         order by t.priority, t.id
         offset $7::integer + (select count(*) from got) limit 1)
    ) as h
    where exists (select from free)
)
select t.id as task_id, t.number, t.name, t.action, t.queue, t.attempt, t.failures, t.rescues,
       t.progress, t.error, t.started_at, t.claimed_at, c.options, j.lanes, d.size, d.facts,
       case when d.size <= $8 then d.parameters end as parameters,
       case when d.size > $8 then null
            when t.number = 0 then '{}'
            else (select l.results from looked_at l where l.job_id = t.job_id)
       end as results,
       case when (select count(*) from got) < $4 then (select due_at from next) end as next_due,
       {j.job}
from present p
left join (got t
    join jobs j on j.id = t.job_id
    join job_data d on d.job_id = t.job_id
    left join clients c on c.name = j.client) on true
order by t.priority, t.id

-- name: documents
-- Of the parameters those that are looked at, and those that have one of the hints in them. No
-- results where they are more than one attempt may load.
select own.size,
       case when $2::text[] is null then d.parameters
            else (select coalesce(json_object_agg(p.key, p.value), '{}')
                  from json_each(d.parameters) as p
                  cross join lateral (select lower(p.key || ':' || p.value::text) as text offset 0)
                      as low
                  where p.key = any($2)
                     or exists (select from unnest($3::text[]) as h (hint)
                                where strpos(low.text, h.hint) > 0))
       end as parameters,
       case when own.size <= $5 then
           (select coalesce(json_object_agg(r.name, r.result), '{}') from results r
            where r.job_id = d.job_id and ($4::text[] is null or r.name = any($4)))
       end as results
from job_data d
cross join lateral (
    select coalesce(sum(r.size), 0) as size from results r
    where r.job_id = d.job_id and ($4::text[] is null or r.name = any($4))
) as own
where d.job_id = $1

-- name: current
select 1 from tasks t join jobs j on j.id = t.job_id
where t.id = $2 and t.holder = $1 and t.attempt = $3
  and j.state not in ({job.over}) and not j.failed

-- name: lock_jobs
select id, client, workflow, state, failed, priority, open_tasks, lanes, content_id, updated_at
from jobs where id = any($1::bigint[])
order by id
for no key update

-- name: lock_tasks
select {task}, holder from tasks where id = any($1::bigint[])
order by id
for no key update

-- name: begin_tasks
update tasks t set started_at = b.at
from unnest($1::bigint[], $2::timestamptz[]) as b (id, at)
where t.id = b.id

-- name: progress_tasks
update tasks t set progress = p.fraction
from unnest($1::bigint[], $2::real[]) as p (id, fraction)
where t.id = p.id

-- name: requeue_tasks
update tasks t
set state = r.state, holder = null, claim_id = null, progress = 0, due_at = r.due_at,
    is_retry = r.is_retry, failures = t.failures + r.failures, rescues = t.rescues + r.rescues,
    error = coalesce(r.error, t.error)
from unnest($1::bigint[], $2::timestamptz[], $3::integer[], $4::integer[], $5::text[],
            $6::smallint[], $7::boolean[])
     as r (id, due_at, failures, rescues, error, state, is_retry)
where t.id = r.id

-- name: end_tasks
update tasks t
set state = e.state, holder = null, claim_id = null, ended_at = e.at, error = e.error,
    started_at = coalesce(e.started_at, t.started_at),
    progress = case when e.state = {task.completed} then 1 else t.progress end
from unnest($1::bigint[], $2::smallint[], $3::timestamptz[], $4::text[], $5::timestamptz[])
     as e (id, state, at, error, started_at)
where t.id = e.id

-- name: put_results
insert into results (job_id, name, result, size)
select job_id, name, result::json, octet_length(result)
from unnest($1::bigint[], $2::text[], $3::text[]) as r (job_id, name, result)
on conflict (job_id, name) do update set result = excluded.result, size = excluded.size

-- name: cancel_rest
update tasks t set state = {task.cancelled}, ended_at = f.at
from unnest($1::bigint[], $2::timestamptz[]) as f (job_id, at)
where t.job_id = f.job_id and t.state in ({task.waiting}, {task.queued})
returning t.job_id

-- name: waiting_tasks
-- Those that need one of the tasks that have ended; their jobs are locked. The tasks of a job are
-- read once, however many of them have ended.
with ended as materialized (
    select e.job_id, array_agg(e.number) as numbers
    from unnest($1::bigint[], $2::smallint[]) as e (job_id, number)
    group by e.job_id
)
select t.job_id, t.id, t.needs, t.waits_for
from ended e
join tasks t on t.job_id = e.job_id and t.state + 0 = {task.waiting} and t.needs && e.numbers
order by t.id

-- name: advance_tasks
update tasks t set state = s.state, waits_for = s.waits_for, due_at = $4
from unnest($1::bigint[], $2::smallint[], $3::smallint[]) as s (id, state, waits_for)
where t.id = s.id and t.state + 0 = {task.waiting}

-- name: close_tasks
update jobs j
set open_tasks = j.open_tasks - c.n, failed = j.failed or c.failed, lines = j.lines + c.lines,
    changed = case when c.failed then pg_current_xact_id() else j.changed end
from unnest($1::bigint[], $2::integer[], $3::boolean[], $4::integer[])
     as c (id, n, failed, lines)
where j.id = c.id
returning j.id, j.lines

-- name: close_jobs
-- The same for jobs that end with that: their rows are written once.
update jobs j
set open_tasks = j.open_tasks - c.n, failed = j.failed or c.failed, lines = j.lines + c.lines,
    band = null, changed = pg_current_xact_id(),
    state = case when j.state = {job.broken} then j.state else {job.completed} end,
    updated_at = case when j.state = {job.broken} then j.updated_at else $5 end
from unnest($1::bigint[], $2::integer[], $3::boolean[], $4::integer[])
     as c (id, n, failed, lines)
where j.id = c.id
returning j.id, j.lines

-- name: end_jobs
update jobs set band = null, changed = pg_current_xact_id(),
    state = case when state = {job.broken} then state else {job.completed} end,
    updated_at = case when state = {job.broken} then updated_at else $2 end
where id = any($1::bigint[])
