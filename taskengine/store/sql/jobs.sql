-- name: submitted_before
select request_id, id from jobs where request_id = any($1::uuid[])

-- name: jobs_by_key
select j.client, j.idempotency_key, j.id
from unnest($1::text[], $2::text[]) as k (client, key)
join jobs j on j.client = k.client and j.idempotency_key = k.key

-- name: put_definitions
insert into definitions (digest, name, content, plan, tasks, client, callback)
select * from unnest($1::text[], $2::text[], $3::json[], $4::jsonb[], $5::integer[], $6::text[],
                     $7::json[])
on conflict do nothing

-- name: known_definitions
-- They stay as long as this transaction is not over: the clean-up removes what no job has.
select digest from definitions where digest = any($1::text[]) order by digest for key share

-- name: put_jobs
insert into jobs ({new_job})
select {new_job} from unnest({new_job.arrays}) with ordinality as s ({new_job}, n)
order by n
on conflict do nothing -- the request is known, or the client has used the key
returning request_id, id

-- name: put_job_data
insert into job_data (job_id, submitted, parameters, facts, size)
select job_id, submitted::json, parameters::json, facts::json,
       octet_length(submitted) + octet_length(parameters) + octet_length(facts)
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
     as d (job_id, submitted, parameters, facts)

-- name: put_lanes
insert into lanes (job_id, ordinal, url, host, events)
select job_id, ordinal, url, host, string_to_array(events, ' ')
from unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::text[])
     as l (job_id, ordinal, url, host, events)

-- name: definition
select content from definitions where digest = $1

-- name: jobs_by_id
select {j.job}, j.rerun_of, j.rerun_as, j.idempotency_digest
from jobs j
where j.id = any($1::bigint[])
order by j.id

-- name: data_by_id
select job_id, submitted, parameters, facts from job_data where job_id = any($1::bigint[])

-- name: first_failures
select distinct on (job_id) job_id, name, error from tasks
where job_id = any($1::bigint[]) and state = {task.failed}
order by job_id, number

-- name: last_task
select id from tasks where job_id = $1 order by number desc limit 1

-- name: callbacks_of
-- What workflows add to the callbacks of these jobs.
select d.callback::text as callback, array_agg(j.id order by j.id) as jobs
from jobs j join definitions d on d.digest = j.digest
where j.id = any($1::bigint[]) and d.callback::text <> '{}'
group by d.callback::text

-- name: sources
-- What such an addition is rendered from: of large documents only what it looks up.
select {j.job}, d.facts,
       (select json_object_agg(p.key, p.value) from json_each(d.parameters) as p
        where p.key = any($2::text[])) as parameters,
       (select json_object_agg(t.name, coalesce(r.result, '{}'))
        from tasks t left join results r on r.job_id = t.job_id and r.name = t.name
        where t.job_id = j.id and ($3::text[] is null or t.name = any($3))) as results
from jobs j join job_data d on d.job_id = j.id
where j.id = any($1::bigint[])
order by j.id

-- name: document
select case $2 when 'submitted' then submitted when 'facts' then facts else parameters end::text as text
from job_data where job_id = $1

-- name: tasks
select {task} from tasks where job_id = $1 and number > $2 order by number limit $3

-- name: tasks_by_job
select {t.task}, r.result
from tasks t left join results r on r.job_id = t.job_id and r.name = t.name
where t.job_id = any($1::bigint[])
order by t.job_id, t.number

-- name: workspaces_in_use
-- By jobs that are not over, or that may be retried: their own, or that of the first of a chain.
-- `limit` keeps the planner from hashing all jobs for a few of them.
select w.id from unnest($1::bigint[]) as w (id)
where coalesce((
    select true from jobs j
    where j.id = w.id and j.workspace is null
      and (j.state not in ({job.over}) or j.open_tasks > 0
           or ((j.failed or j.state = {job.broken}) and j.digest is not null
               and j.rerun_as is null and j.updated_at >= $2))
    limit 1
), (
    select true from jobs j
    where j.workspace = w.id
      and (j.state not in ({job.over}) or j.open_tasks > 0
           or ((j.failed or j.state = {job.broken}) and j.rerun_as is null and j.updated_at >= $2))
    limit 1
), false)

-- name: queue_due
with due as materialized (
    select id from jobs
    where state = {job.scheduled} and (semaphore_url is null or gate_open) and run_at <= $1
      and (select active from schedules where name = 'queue_scheduled_jobs')
    order by run_at, id
    limit 500
    for no key update skip locked
)
update jobs j set state = {job.queued}, updated_at = $1, changed = pg_current_xact_id()
from due
where j.id = due.id
returning j.client, j.failed

-- name: next_due
-- It may be past: not all fitted into one batch.
select min(run_at) as due from jobs
where state = {job.scheduled} and (semaphore_url is null or gate_open)
  and (select active from schedules where name = 'queue_scheduled_jobs')

-- name: first_in_queue
select * from (
    (select {job}
     from jobs where state * 1 = {job.queued} and top_of_queue
     order by priority, position, created_at, id limit $1)
    union all
    (select {job}
     from jobs where state * 1 = {job.queued} and not top_of_queue
     order by priority, position, created_at, id limit $1)
) as both_parts
order by top_of_queue desc, priority, position, created_at, id limit $1

-- name: first_in_queue_of
select * from (
    (select {job}
     from jobs where state = {job.queued} and client = $2 and top_of_queue
     order by priority, position, created_at, id limit $1)
    union all
    (select {job}
     from jobs where state = {job.queued} and client = $2 and not top_of_queue
     order by priority, position, created_at, id limit $1)
) as both_parts
order by top_of_queue desc, priority, position, created_at, id limit $1

-- name: plan_by_indexes
-- A plan may be older than most of the table, from when it was cheaper to sort it; and statistics
-- from when nothing waited say of a backlog that there is none.
set local enable_sort = off; set local enable_incremental_sort = off;
set local enable_bitmapscan = off

-- name: created_by_then
-- When a job was created, or the one before it if it is gone.
select created_at from jobs where id <= $1 order by id desc limit 1
