-- name: put_pause
insert into pauses (kind, name, since, by, until) values ($1, $2, $3, $4, $5)
on conflict (kind, name) do update
set since = excluded.since, by = excluded.by, until = excluded.until

-- name: remove_pause
delete from pauses where kind = $1 and name = $2 returning name

-- name: pauses
select kind, name, since, by, until from pauses order by kind, name

-- name: end_pauses
delete from pauses where until <= $1 returning kind

-- name: next_end
select min(until) as until from pauses

-- name: held_jobs
-- Of workflows that are not paused. However many are of others, they are walked past.
with recursive workflows as (
    (select workflow from held_jobs order by workflow limit 1)
    union all
    select (select h.workflow from held_jobs h where h.workflow > w.workflow
            order by h.workflow limit 1)
    from workflows w
    where w.workflow is not null
)
select h.job_id, h.workflow
from workflows w
cross join lateral (
    select own.job_id, own.workflow from held_jobs own
    where own.workflow = w.workflow order by own.job_id limit $1
) as h
where not exists (select 1 from pauses p where p.kind = 'workflow' and p.name = w.workflow)
order by h.job_id
limit $1

-- name: hold_jobs
-- `state + 0` as in `still_queued`.
update jobs set state = {job.paused}, updated_at = $2, changed = pg_current_xact_id()
where id = any($1::bigint[]) and state + 0 = {job.queued}
returning id, client, workflow, failed

-- name: put_held
insert into held_jobs (workflow, job_id)
select workflow, job_id from unnest($1::text[], $2::bigint[]) as h (workflow, job_id)
on conflict do nothing

-- name: let_go
delete from held_jobs where job_id = any($1::bigint[])
