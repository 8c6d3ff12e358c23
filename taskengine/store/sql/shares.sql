-- name: system_bounds
-- And the weights that are set: mostly none, and an index that is empty.
select scope, name, value, null::timestamptz as until from settings
where scope = '' and name in ('max_jobs', 'priority_slots', 'priority_threshold')
union all
select scope, name, value, null from settings where name = 'weight' and value <> '0'
union all
select name, 'paused', kind, until from pauses

-- name: first_in_turn
-- The $3 jobs whose turns come first, of the best priority that has room. The index is walked from
-- client to client, past all that waits of one, to the head of its best group, and to that of its
-- best one with `top_of_queue`, where there is any. Strides by client are in $4, that of all others
-- is $5.
with recursive first as (
    (select j.client, j.top_of_queue as top, j.priority, j.position, j.created_at, j.id
     from jobs j
     where j.state = {job.queued}
     order by j.client, j.top_of_queue, j.priority, j.position, j.created_at, j.id
     limit 1)
    union all
    select next.client, next.top, next.priority, next.position, next.created_at, next.id
    from first f
    cross join lateral (
        select j.client, j.top_of_queue as top, j.priority, j.position, j.created_at, j.id
        from jobs j
        where j.state = {job.queued} and j.client > f.client
        order by j.client, j.top_of_queue, j.priority, j.position, j.created_at, j.id
        limit 1
    ) as next
), clients as materialized (
    select * from first
), waiting as materialized (
    select * from clients where not top
    union all
    select head.*
    from clients c
    cross join lateral (
        select c.client, true, j.priority, j.position, j.created_at, j.id
        from jobs j
        where j.state = {job.queued} and j.client = c.client and j.top_of_queue
        order by j.priority, j.position, j.created_at, j.id
        limit 1
    ) as head
    where exists (select 1 from jobs t where t.state * 1 = {job.queued} and t.top_of_queue)
), roomy as materialized (
    select w.*, (w.room ->> (w.priority <= (w.room ->> 2)::integer)::integer)::integer as free
    from (select *, coalesce($2::jsonb -> client, $1::jsonb) as room from waiting) as w
), best as materialized (
    select top, priority from roomy where free > 0 order by top desc, priority limit 1
), heads as materialized (
    select r.client, r.free as room, r.position, r.created_at, r.id,
           coalesce(($4::jsonb ->> r.client)::bigint, $5) as stride,
           greatest(s.virtual_time, (select virtual_time from scopes where name = '')) as start
    from best b
    join roomy r on r.top = b.top and r.priority = b.priority and r.free > 0
    left join scopes s on s.name = r.client
), served as materialized (
    select client, room, stride, start,
           row_number() over (order by start, position, created_at, id) as n
    from heads
    order by n
    limit $3
)
-- Of a client no more than its room, and no more than have their turns before the head that is the
-- last of so many.
select j.id, s.client, b.top as top_of_queue, b.priority, j.position, j.created_at
from best b
cross join served s
cross join lateral (
    select j.id, j.position, j.created_at,
           row_number() over (order by j.position, j.created_at, j.id) - 1 as before
    from (
        select j.id, j.position, j.created_at from jobs j
        where j.state = {job.queued} and j.client = s.client and j.top_of_queue = b.top
          and j.priority = b.priority
        order by j.position, j.created_at, j.id
        limit least(s.room, $3 - s.n + 1,
                    1 + ((select start from served where n = $3) - s.start) / s.stride)
    ) as j
) as j
order by s.start + j.before * s.stride, j.position, j.created_at, j.id
limit $3

-- name: virtual_times
select name, virtual_time from scopes where name = any($1::text[])

-- name: put_virtual_times
-- Their rows are locked.
update scopes s set virtual_time = t.time
from unnest($1::text[], $2::bigint[]) as t (name, time)
where s.name = t.name

-- name: turns_before
-- As `jobs_ahead` counts, where slots are shared: of equal priority those whose turns come before.
-- $6 jobs at most are counted; $7 and $8 are the strides.
with times as materialized (
    select s.name, coalesce(($7::jsonb ->> s.name)::bigint, $8) as stride,
           greatest(s.virtual_time, (select virtual_time from scopes where name = '')) as start
    from scopes s
    where s.name <> ''
), own as materialized (
    select t.name, t.stride, t.start + t.stride * (
        select count(*) from (
            select 1 from jobs j
            where j.state = {job.queued} and j.client = t.name and j.top_of_queue = $1
              and j.priority = $2
              and (j.position, j.created_at, j.id) < ($3::integer, $4::timestamptz, $5::bigint)
            order by j.position, j.created_at, j.id
            limit $6
        ) as better
    ) as turn
    from times t
    where t.name = $9
)
select count(*) as n
from (
    select 1
    from times s
    cross join (values (true), (false)) as top (top)
    cross join generate_series(1, 10) as p (priority)
    cross join lateral (
        select 1 from jobs j
        where j.state = {job.queued} and j.client = s.name and j.top_of_queue = top.top
          and j.priority = p.priority
        order by j.position, j.created_at, j.id
        limit $6
    ) as better
    where (not top.top, p.priority) < (not $1::boolean, $2::integer)
    union all
    select 1
    from own o
    join times t on t.start <= o.turn
    cross join lateral (
        select j.position, j.created_at, j.id,
               row_number() over (order by j.position, j.created_at, j.id) - 1 as before
        from (
            select j.position, j.created_at, j.id from jobs j
            where j.state = {job.queued} and j.client = t.name and j.top_of_queue = $1
              and j.priority = $2
            order by j.position, j.created_at, j.id
            limit least($6, 1 + (o.turn - t.start) / t.stride)
        ) as j
    ) as j
    where (t.start + j.before * t.stride, j.position, j.created_at, j.id)
        < (o.turn, $3::integer, $4::timestamptz, $5::bigint)
    limit $6
) as ahead
