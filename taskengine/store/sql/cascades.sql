-- name: queue_cascades
-- Of jobs that are over and locked, those that others wait for. The order tells the planner which
-- index serves, here and below; `open::integer` and `parent + 0` keep it from those that do not.
insert into cascades (parent)
select p.id from unnest($1::bigint[]) as p (id)
where (select e.child from edges e where e.parent = p.id and e.kind = 'completes' and e.open
       order by e.parent, e.child limit 1) is not null
order by p.id
on conflict do nothing
returning parent

-- name: close_ends
-- A rerun waits no longer for the tasks of its original: there is one for a job at most.
with found as materialized (
    select e.parent, e.child
    from unnest($1::bigint[]) as p (id)
    cross join lateral (
        select parent, child from edges where parent = p.id and kind = 'ends' and open
        order by parent, child
    ) as e
), closed as (
    update edges e set open = false
    from found f
    where e.child = f.child and e.parent + 0 = f.parent and e.kind = 'ends' and e.open::integer = 1
    returning e.child
)
update jobs j
set open_edges = j.open_edges - c.n, updated_at = $2, changed = pg_current_xact_id(),
    state = case when j.state <> {job.pending} or j.open_edges > c.n then j.state
                 when j.run_at > $2 or (j.semaphore_url is not null and not j.gate_open)
                 then {job.scheduled}
                 else {job.queued} end
from (select child, count(*) as n from closed group by child) as c
where j.id = c.child and j.state not in ({job.over}) -- one that was broken meanwhile stays as it is
returning j.id, j.client, j.state, j.failed, j.open_edges

-- name: claim_cascades
-- Those with the fewest steps first, so that a large one holds up no small one.
select parent from cascades
order by steps, parent
limit $1
for update skip locked

-- name: some_edges
-- The next of each, before any lock on a job: read again after it.
select e.parent, e.child
from unnest($1::bigint[]) as p (id)
cross join lateral (
    select parent, child from edges
    where parent = p.id and kind = 'completes' and open
    order by parent, child
    limit $2
) as e

-- name: heirs_of
select rerun_as from jobs where id = any($1::bigint[]) and handed_on

-- name: lock_family
select id, client, workflow, state, failed, lanes, content_id, open_tasks, rerun_as, handed_on
from jobs where id = any($1::bigint[])
order by id
for no key update

-- name: still_open
select e.parent, e.child
from unnest($1::bigint[], $2::bigint[]) as p (parent, child)
join edges e on e.child = p.child and e.parent + 0 = p.parent and e.kind = 'completes'
where e.open::integer = 1
order by e.parent, e.child

-- name: close_edges
with closed as (
    update edges e set open = false
    from unnest($1::bigint[], $2::bigint[]) as p (parent, child)
    where e.child = p.child and e.parent + 0 = p.parent and e.kind = 'completes'
      and e.open::integer = 1
    returning e.child
)
update jobs j
set open_edges = j.open_edges - c.n, updated_at = $3, changed = pg_current_xact_id(),
    state = case when j.state <> {job.pending} or j.open_edges > c.n then j.state
                 when j.run_at > $3 or (j.semaphore_url is not null and not j.gate_open)
                 then {job.scheduled}
                 else {job.queued} end
from (select child, count(*) as n from closed group by child) as c
where j.id = c.child and j.state not in ({job.over}) -- one that was broken meanwhile stays as it is
returning j.id, j.client, j.state, j.failed, j.open_edges

-- name: hand_edges
update edges e set parent = p.heir
from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as p (parent, child, heir)
where e.child = p.child and e.parent + 0 = p.parent and e.kind = 'completes' and e.open::integer = 1

-- name: break_jobs
update jobs set state = {job.broken}, failed = true, open_edges = 0, updated_at = $2,
                changed = pg_current_xact_id()
where id = any($1::bigint[])

-- name: sizes
select job_id, size from job_data where job_id = any($1::bigint[])

-- name: end_cascades
-- Those that nobody waits for any more; the others have had one more step.
with gone as (
    delete from cascades c
    where c.parent = any($1::bigint[])
      and (select e.child from edges e
           where e.parent = c.parent and e.kind = 'completes' and e.open
           order by e.parent, e.child limit 1) is null
    returning c.parent
)
update cascades set steps = steps + 1
where parent = any($1::bigint[]) and parent not in (select parent from gone)
returning parent

-- name: parents_waited_for
-- Walked from parent to parent, past all that waits for one.
with recursive completes as (
    (select parent from edges where open and kind = 'completes' and parent > $1
     order by parent, child limit 1)
    union all
    select next.parent
    from completes c
    cross join lateral (
        select e.parent from edges e
        where e.open and e.kind = 'completes' and e.parent > c.parent
        order by e.parent, e.child
        limit 1
    ) as next
), ends as (
    (select parent from edges where open and kind = 'ends' and parent > $1
     order by parent, child limit 1)
    union all
    select next.parent
    from ends c
    cross join lateral (
        select e.parent from edges e
        where e.open and e.kind = 'ends' and e.parent > c.parent
        order by e.parent, e.child
        limit 1
    ) as next
), page as materialized (
    select parent from (
        (select parent from completes limit $2)
        union
        (select parent from ends limit $2)
    ) as both_kinds
    order by parent
    limit $2
)
select page.parent, j.id is null or (j.state in ({job.over}) and j.open_tasks = 0) as suspect
from page left join jobs j on j.id = page.parent
order by page.parent
