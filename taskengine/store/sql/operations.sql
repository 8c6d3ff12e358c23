-- name: start_operation
insert into operations (client, action, wanted, "values", dry_run, top, created_at, state)
values ($1, $2, $3::json, $4::json, $5,
        (select coalesce(max(id), 0) from jobs where id > 0), $6, $7)
returning *

-- name: operations_under_way
select count(*) from operations
where client = $1 and state in ('counting', 'running', 'undoing')

-- name: operation
select * from operations where id = $1

-- name: operations
select * from operations order by id desc limit 100

-- name: operations_of
select * from operations where client = $1 order by id desc limit 100

-- name: claim_operation
update operations set claim = claim + 1, held_until = $2
where id = (
    select id from operations
    where state in ('counting', 'running', 'undoing')
      and (held_until is null or held_until <= $1)
    order by claim, id
    limit 1
    for update skip locked
)
returning *

-- name: lock_operation
select * from operations where id = $1 for no key update

-- name: before_one
savepoint one

-- name: without_one
rollback to savepoint one

-- name: put_operation
update operations
set state = $2, cursor_id = $3, cursor_at = $4, matched = $5, done = $6, skipped = $7, undone = $8,
    errors = $9::json, ended_at = $10, held_until = $11, claim = $12
where id = $1

-- name: remember_changed
insert into operation_jobs (operation, job_id, priority)
select $1, * from unnest($2::bigint[], $3::smallint[])
on conflict do nothing

-- name: changed_jobs
select job_id, priority from operation_jobs
where operation = $1 and job_id > $2
order by job_id
limit $3

-- name: changed_before
select job_id, priority from operation_jobs where operation = $1 and job_id = any($2::bigint[])

-- name: forget_changed
-- A walk by key: some at a time.
delete from operation_jobs
where (operation, job_id) in (
    select c.operation, c.job_id
    from operations o join operation_jobs c on c.operation = o.id
    where o.ended_at < $1 and o.state in ('done', 'aborted', 'undone')
    limit 5000
)

-- name: forget_operations
delete from operations o
where o.ended_at < $1
  and not exists (select from operation_jobs c where c.operation = o.id)
