-- name: lock_for_change
select {job},
       open_tasks, open_edges, lanes, rerun_of, rerun_as
from jobs where id = any($1::bigint[])
order by id
for no key update

-- name: lock_with_runs
-- In the order of ids: the new edges of a rerun are open as long as those that they are copied from;
-- of a job that was stopped, all that it waited for counts as it stands, in the last runs.
with recursive runs as (
    select p.id, p.rerun_as from edges e join jobs p on p.id = e.parent
    where e.child = $1
      and (e.open::integer = 1
           or e.kind = 'completes' and (select state from jobs where id = $1) = {job.broken})
    union all
    select j.id, j.rerun_as from runs r join jobs j on j.id = r.rerun_as
)
select id from jobs where id = any(array(select $1::bigint union select id from runs))
order by id
for no key update

-- name: change_job
update jobs set {job.changed}, changed = pg_current_xact_id() where id = $1

-- name: ask_anew
update jobs set gate_due_at = null, gate_failures = 0,
                gate_answer = case when $2 then gate_answer end
where id = $1

-- name: reorder_tasks
-- Working ones too: they may be queued again.
update tasks set priority = $2
where job_id = $1 and state in ({task.waiting}, {task.queued}, {task.working})

-- name: hold_tasks
-- A task that waits for nothing is held: it is queued when its job is admitted again.
update tasks set state = {task.waiting} where job_id = $1 and state = {task.queued}

-- name: free_slot
update jobs set band = null where id = $1

-- name: add_edges
insert into edges (parent, child, kind, open)
select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[])
on conflict do nothing

-- name: latest_runs
-- Of jobs that were run again the last run, as far as it is still there.
with recursive runs as (
    select id as named, id, rerun_as from jobs where id = any($1::bigint[])
    union all
    select r.named, j.id, j.rerun_as from runs r join jobs j on j.id = r.rerun_as
)
select named, id from runs where rerun_as is null

-- name: lock_parents
select id from jobs where id = any($1::bigint[]) order by id for share

-- name: states_of
select id, client, state, failed, rerun_as from jobs where id = any($1::bigint[])

-- name: count_edges
update jobs j set open_edges = e.n
from (select child, count(*) as n from edges
      where child = any($1::bigint[]) and open::integer = 1 group by child) as e
where j.id = e.child

-- name: parents_with_ends
-- What a job waits for or waited for, with what became of that.
select e.parent, e.open, j.state, j.failed, j.rerun_as, j.handed_on
from edges e left join jobs j on j.id = e.parent
where e.child = $1 and e.kind = 'completes'
order by e.parent

-- name: copy_edges
insert into edges (parent, child, kind, open)
select parent, $2, kind, open from edges where child = $1

-- name: break_for_rerun
update jobs set state = {job.broken}, updated_at = $2, rerun_as = $3,
                handed_on = state <> {job.completed}, changed = pg_current_xact_id()
where id = $1

-- name: copy_job
insert into jobs (request_id, client, workflow, state, priority, position, top_of_queue, persist,
                  lanes, created_at, updated_at, run_at, content_id, semaphore_url, digest, rerun_of,
                  workspace)
select $2, client, workflow, $3, priority, position, top_of_queue, persist,
       lanes, $4, $4, greatest(run_at, $4), content_id, semaphore_url, digest, id, $5
from jobs where id = $1
returning id

-- name: copy_job_data
insert into job_data (job_id, submitted, parameters, facts, size)
select $2, submitted, parameters, facts, size from job_data where job_id = $1

-- name: ends_of_tasks
select name, state, attempt, progress, claimed_at, started_at, ended_at
from tasks where job_id = $1

-- name: size_of_results
select coalesce(sum(size), 0)::bigint from results where job_id = $1

-- name: write_rest
insert into tasks (job_id, number, name, action, queue, needs, priority, state, waits_for, attempt,
                   progress, due_at, claimed_at, started_at, ended_at)
select $1, number, name, action, queue, string_to_array(needs, ',')::smallint[], $2, state,
       waits_for, attempt, progress, $3, claimed_at, started_at, ended_at
from unnest($4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::smallint[],
            $10::smallint[], $11::integer[], $12::real[], $13::timestamptz[], $14::timestamptz[],
            $15::timestamptz[])
     as t (number, name, action, queue, needs, state, waits_for, attempt, progress, claimed_at,
           started_at, ended_at)
order by number

-- name: copy_results
insert into results (job_id, name, result, size)
select $2, name, result, size from results where job_id = $1 and name = any($3::text[])

-- name: open_tasks
update jobs set open_tasks = $2 where id = $1

-- name: redefine_job
update jobs set digest = $2, content_id = $3, lanes = $4 where id = $1

-- name: copy_lanes
insert into lanes (job_id, ordinal, url, host, events)
select $2, ordinal, url, host, events from lanes where job_id = $1 order by ordinal

-- name: parents_of
select child, parent from edges where child = any($1::bigint[]) and kind = 'completes'
order by child, parent

-- name: claim_gates
-- A few for each host, none for a busy one; the index is walked from host to host, as with lanes.
with recursive walk as (
    (select gate_host(semaphore_url) as host, 1 as n from jobs
     where state = {job.scheduled} and semaphore_url is not null and not gate_open
     order by gate_host(semaphore_url) limit 1)
    union all
    select next.host, walk.n + 1
    from walk
    cross join lateral (
        select gate_host(j.semaphore_url) as host from jobs j
        where j.state = {job.scheduled} and j.semaphore_url is not null and not j.gate_open
          and gate_host(j.semaphore_url) > walk.host
        order by gate_host(j.semaphore_url)
        limit 1
    ) as next
    where walk.n < 1000
), few as materialized (
    select h.id, h.due_at
    from walk
    cross join lateral (
        select j.id, coalesce(j.gate_due_at, j.run_at) as due_at from jobs j
        where j.state = {job.scheduled} and j.semaphore_url is not null and not j.gate_open
          and gate_host(j.semaphore_url) = walk.host and coalesce(j.gate_due_at, j.run_at) <= $1
          and (select active from schedules where name = 'queue_scheduled_jobs')
        order by coalesce(j.gate_due_at, j.run_at), j.id
        limit $5
    ) as h
    where walk.host <> all($4::text[])
    order by h.due_at, h.id
    limit $3
), locked as materialized (
    select j.id, few.due_at from few join jobs j on j.id = few.id
    where j.state + 0 = {job.scheduled} -- else an index of all gates may be read
      and j.semaphore_url is not null and not j.gate_open and j.run_at <= $1
      and coalesce(j.gate_due_at, j.run_at) <= $1
    for no key update of j skip locked
), taken as (
    update jobs j set gate_due_at = $2
    from locked
    where j.id = locked.id
    returning j.id, j.semaphore_url, j.gate_failures, j.gate_answer, locked.due_at
)
select id, semaphore_url, gate_failures, gate_answer from taken order by due_at, id

-- name: next_gate
select coalesce(gate_due_at, run_at) as due from jobs
where state = {job.scheduled} and semaphore_url is not null and not gate_open
  and coalesce(gate_due_at, run_at) > $1
  and (select active from schedules where name = 'queue_scheduled_jobs')
order by coalesce(gate_due_at, run_at)
limit 1

-- name: open_gate
update jobs set state = {job.queued}, gate_open = true, gate_answer = $3, updated_at = $4,
                changed = pg_current_xact_id()
where id = $1 and semaphore_url = $2 and state = {job.scheduled} and run_at <= $4
returning client, failed

-- name: keep_gate
update jobs set gate_failures = gate_failures + 1, gate_answer = $3, gate_due_at = $5
where id = $1 and semaphore_url = $2 and state = {job.scheduled} and run_at <= $4
returning client, failed

-- name: open_tasks_of
select open_tasks from jobs where id = $1

-- name: place_jobs
update jobs set state = case when open_edges > 0 then {job.pending}
                             when run_at > $2 or (semaphore_url is not null and not gate_open)
                             then {job.scheduled}
                             else {job.queued} end
where id = any($1::bigint[])
returning id, state
