-- name: lanes_of
-- Dead ones too: a replay delivers what they missed.
select count(*) from (
    select id from lanes
    where job_id = any($1::bigint[])
    order by id
    for no key update
) as locked

-- name: put_events
-- Each is told once: were it told again, its attempt would not fail for it. The custom data of a job
-- goes from row to row, between what stands before and behind, and never leaves the database.
with told as materialized (
    insert into events (job_id, task_id, task_name, event, body, created_at)
    select e.job_id, e.task_id, e.task_name, e.event,
           case when e.behind is null then e.before
                else e.before || coalesce(d.submitted -> 'custom_data', 'null') || e.behind end,
           e.at
    from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
                $7::timestamptz[])
         with ordinality as e (job_id, task_id, task_name, event, before, behind, at, n)
    left join job_data d on e.behind is not null and d.job_id = e.job_id
    where exists (select from lanes l
                  where l.job_id = e.job_id and (l.events = '{}' or e.event = any(l.events)))
    order by e.n
    on conflict (job_id, task_id, event) do nothing
    returning id, job_id, event, created_at
), heard as materialized (
    select l.id as lane_id, e.id as event_id, e.created_at,
           l.last_number + row_number() over (partition by l.id order by e.id) as number
    from told e
    join lanes l on l.job_id = e.job_id and (l.events = '{}' or e.event = any(l.events))
), put as (
    insert into callbacks (lane_id, number, event_id)
    select lane_id, number, event_id from heard
)
update lanes l set last_number = w.last_number,
                   due_at = case when not l.dead then coalesce(l.due_at, w.due_at) end
from (
    select lane_id, max(number) as last_number,
           (array_agg(created_at order by number))[1] as due_at
    from heard group by lane_id
) as w
where l.id = w.lane_id

-- name: claim_lanes
-- A few for each host, so that a receiver that hangs takes no more of the deliverers; $7 for each of
-- those that answer quickly, $6. The index is walked from host to host, past all that waits for one;
-- the oldest are added where it ends early.
with recursive walk as (
    (select host, 1 as n from lanes
     where due_at is not null and holder is null and not dead
     order by host limit 1)
    union all
    select next.host, walk.n + 1
    from walk
    cross join lateral (
        select l.host from lanes l
        where l.due_at is not null and l.holder is null and not l.dead and l.host > walk.host
        order by l.host
        limit 1
    ) as next
    where walk.n < 1000
), oldest as ( -- one by one: all together the planner would rather sort whatever waits
    (select id, host, due_at, 1 as n from lanes
     where due_at is not null and holder is null and not dead and due_at <= $4
     order by due_at, id limit 1)
    union all
    select next.id, next.host, next.due_at, oldest.n + 1
    from oldest
    cross join lateral (
        select l.id, l.host, l.due_at from lanes l
        where l.due_at is not null and l.holder is null and not l.dead and l.due_at <= $4
          and (l.due_at, l.id) > (oldest.due_at, oldest.id)
        order by l.due_at, l.id
        limit 1
    ) as next
    where oldest.n < 64
), heads as materialized (
    select h.id, walk.host, h.due_at
    from walk
    cross join lateral (
        select l.id, l.due_at from lanes l
        where l.due_at is not null and l.holder is null and not l.dead and l.host = walk.host
          and l.due_at <= $4
        order by l.due_at, l.id
        limit case when walk.host = any($6::text[]) then $7::integer else $5::integer end
    ) as h
    union
    select id, host, due_at from oldest
), few as materialized (
    select id, due_at
    from (select id, host, due_at, row_number() over (partition by host order by due_at, id) as n
          from heads where host <> all($3::text[])) as numbered
    where n <= case when host = any($6::text[]) then $7::integer else $5::integer end
), locked as materialized (
    select l.id from few join lanes l on l.id = few.id
    where l.holder is null and not l.dead and l.due_at <= $4
    order by few.due_at, few.id
    limit $2
    for no key update of l skip locked
), taken as (
    update lanes l set holder = $1, claims = l.claims + 1
    from locked
    where l.id = locked.id
    returning l.id, l.claims, l.job_id, l.url, l.failures, l.due_at
)
select * from taken order by due_at, id

-- name: next_lane
select due_at as due from lanes
where due_at is not null and holder is null and not dead and due_at > $1
order by due_at, id
limit 1

-- name: waiting_callbacks
-- With small bodies; a large one is fetched when it is sent, once for all lanes that send it.
select c.lane_id, c.id, c.number, c.attempts, e.id as event_id, e.event, e.task_id, e.task_name,
       case when octet_length(e.body) <= $2 then convert_to(e.body, 'UTF8') end as body
from unnest($1::bigint[]) as l (id)
cross join lateral (
    select * from callbacks w
    where w.lane_id = l.id and w.delivered_at is null
    order by w.number
    limit 16
) as c
join events e on e.id = c.event_id
order by c.lane_id, c.number

-- name: event_body
select convert_to(body, 'UTF8') as body from events where id = $1

-- name: lane_options
select j.id, c.options from jobs j join clients c on c.name = j.client where j.id = any($1::bigint[])

-- name: lock_told
-- The jobs whose logs are about to tell of these callbacks.
select j.id from jobs j
where j.id in (
    select l.job_id from callbacks c join lanes l on l.id = c.lane_id
    where l.id = any($1::bigint[]) and l.ordinal = 0 and c.id = any($2::bigint[]) and c.attempts = 0
)
order by j.id
for no key update

-- name: lock_lanes
select l.id, l.claims, l.job_id, l.ordinal, l.failures, d.client as definitions_of
from unnest($1::bigint[], $2::integer[]) as mine (id, claims)
join lanes l on l.id = mine.id and l.claims = mine.claims and l.holder = $3
join jobs j on j.id = l.job_id
left join definitions d on d.digest = j.digest
order by l.id
for no key update of l

-- name: deliver
update callbacks c
set attempts = c.attempts + 1, status = d.status, error = d.error,
    delivered_at = case when d.delivered then d.at end
from unnest($1::bigint[], $2::boolean[], $3::integer[], $4::text[], $5::timestamptz[])
     as d (id, delivered, status, error, at)
where c.id = d.id
  and num_nulls(c.delivered_at) = 1 -- `is null` may be read from the index of all that wait
returning c.id, c.lane_id, c.attempts, (select e.task_id from events e where e.id = c.event_id)

-- name: let_go_lanes
update lanes l
set holder = null, replayed = false, failures = case when l.replayed then 0 else g.failures end,
    dead = g.dead and not l.replayed,
    due_at = case when g.dead and not l.replayed then null
                  when g.due_at is not null and not l.replayed then g.due_at
                  when exists (select 1 from callbacks c
                               where c.lane_id = l.id and c.delivered_at is null) then $5
             end
from unnest($1::bigint[], $2::integer[], $3::boolean[], $4::timestamptz[])
     as g (id, failures, dead, due_at)
where l.id = g.id

-- name: callbacks_waiting
select count(*) as n from (select 1 from callbacks where delivered_at is null limit 100000) as few

-- name: callback_log
-- A page behind the callback $2. The numbers of lanes say which of them it reaches: no more are read.
with place as materialized (
    select l.ordinal, c.number from callbacks c join lanes l on l.id = c.lane_id where c.id = $2
), rest as materialized (
    select l.id, l.url, l.ordinal, l.dead, l.due_at,
           case when l.ordinal = p.ordinal then p.number else 0 end as after,
           sum(l.last_number) over (order by l.ordinal) - l.last_number
               - coalesce(p.number, 0) as before
    from lanes l left join place p on true
    where l.job_id = $1 and l.ordinal >= coalesce(p.ordinal, 0)
)
select c.id, c.lane_id, r.url, c.number, e.event, e.task_id, e.task_name, c.attempts, c.status,
       c.error, e.created_at, c.delivered_at, r.dead, r.due_at
from rest r
join callbacks c on c.lane_id = r.id and c.number > r.after and c.number <= r.after + $3
join events e on e.id = c.event_id
where r.before < $3
order by r.ordinal, c.number
limit $3

-- name: callback_client
select j.client from callbacks c join lanes l on l.id = c.lane_id join jobs j on j.id = l.job_id
where c.id = $1

-- name: keep_job_of_callback
select id from jobs
where id = (select l.job_id from callbacks c join lanes l on l.id = c.lane_id where c.id = $1)
for key share

-- name: lane_of_callback
select id from lanes where id = (select lane_id from callbacks where id = $1)
for no key update

-- name: send_again
update callbacks set delivered_at = null where id = $1

-- name: reopen_lane
update lanes set dead = false, failures = 0, due_at = $2, replayed = holder is not null where id = $1
