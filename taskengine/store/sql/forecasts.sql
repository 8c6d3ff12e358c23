-- name: queue_range
-- The oldest and the newest queued job, and how many there are.
select (select id from jobs where state = {job.queued} and state - 1 <> 0
        order by state, id + 0 limit 1) as oldest,
       (select id from jobs where state = {job.queued} and state - 1 <> 0
        order by state desc, id + 0 desc limit 1) as newest,
       (select coalesce(sum(n), 0)::bigint from counters where state = {job.queued}) as length

-- name: queued_evenly
-- Each $1-th of the queued jobs, by id.
select id from (
    select id, row_number() over (order by id + 0) as n
    from (select id from jobs where state = {job.queued} and state - 1 <> 0
          order by state, id + 0 limit $2) as listed
) as numbered
where n % $1 = 0

-- name: queued_among
-- `state + 0` as in `still_queued`.
select {job} from jobs where id = any($1::bigint[]) and state + 0 = {job.queued} order by id

-- name: slot_holders
select client, workflow, band, updated_at as started_at
from jobs where state * 1 = {job.started} and band is not null
order by id + 0
limit $1

-- name: coming_jobs
select {job} from jobs
where state = {job.scheduled} and (semaphore_url is null or gate_open)
order by run_at, id
limit $1

-- name: jobs_that_came
-- The newest, but for those that run.
select {job} from jobs
where created_at > $1 and state - 1 <> 0 and digest is not null
order by created_at desc, id desc
limit $2

-- name: recent_run_times
-- Of the jobs that ended last. A job holds its slot from when its first tasks are due; one that went
-- on where another ended did not do all of its work.
select j.id, j.workflow, extract(epoch from j.updated_at - t.began)::float8 as seconds
from (
    select id, workflow, state, workspace, updated_at
    from jobs where state in ({job.over}) and not persist
    order by updated_at desc, id desc
    limit $1
) as j
cross join lateral (
    select min(least(claimed_at, due_at)) as began from tasks where job_id = j.id and number < 8
) as t
where j.state + 0 = {job.completed} and j.workspace is null and t.began <= j.updated_at

-- name: run_times_of
-- Of workflows of which none ended lately: of the jobs that came before the queue.
select j.id, j.workflow, extract(epoch from j.updated_at - t.began)::float8 as seconds
from unnest($1::text[]) as w (name)
cross join lateral (
    select id, workflow, state, workspace, updated_at
    from jobs where workflow = w.name and state - 1 <> 0 and id < $2
    order by workflow desc, id desc
    limit $3
) as j
cross join lateral (
    select min(least(claimed_at, due_at)) as began from tasks where job_id = j.id and number < 8
) as t
where j.state + 0 = {job.completed} and j.workspace is null and t.began <= j.updated_at

-- name: jobs_not_foretold
-- The newest queued jobs without a forecast, as long as few forecasts wait to be judged.
select {j.job} from (
    select {job} from jobs
    where state = {job.queued} and state - 1 <> 0
    order by state desc, id + 0 desc
    limit $1
) as j
where not exists (select 1 from forecasts f where f.job_id = j.id)
  and (select count(*) from (select 1 from forecasts where started_at is null limit $2) as open) < $2
order by j.id

-- name: put_forecasts
insert into forecasts (job_id, made_at, start_at)
select job_id, made_at, start_at
from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) as f (job_id, made_at, start_at)
order by job_id
on conflict (job_id) do nothing

-- name: foretold_starts
-- Of the forecasts that wait to be judged those whose jobs do not wait for their turn any more. A job
-- starts when its first tasks are due; those that it has from a job before it were due long before.
select f.job_id, f.made_at, f.start_at, t.began as started_at
from forecasts f
left join jobs j on j.id = f.job_id
left join lateral (
    select min(least(claimed_at, due_at)) as began from tasks
    where job_id = f.job_id and number < 8 and least(claimed_at, due_at) >= f.made_at
) as t on true
where f.started_at is null and j.state + 0 is distinct from {job.queued}
order by f.job_id
limit $1

-- name: judge_forecasts
update forecasts f set started_at = v.started_at, is_right = v.is_right
from unnest($1::bigint[], $2::timestamptz[], $3::boolean[]) as v (job_id, started_at, is_right)
where f.job_id = v.job_id and f.started_at is null

-- name: drop_forecasts
delete from forecasts where job_id = any($1::bigint[]) and started_at is null

-- name: forecast_hits
-- Of the newest that were judged.
select count(*) as judged, count(*) filter (where is_right) as right_ones
from (
    select is_right from forecasts where started_at is not null
    order by started_at desc, job_id desc
    limit $1
) as newest

-- name: clear_forecasts
-- All but the newest that were judged.
delete from forecasts
where job_id in (
    select job_id from forecasts where started_at is not null
    order by started_at desc, job_id desc
    offset $1 limit 1000)
