-- name: put_lines
insert into logs (job_id, task_id, severity, progname, message, created_at)
select job_id, task_id, severity, progname, message, created_at
from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::timestamptz[])
     with ordinality as l (job_id, task_id, severity, progname, message, created_at, n)
order by n

-- name: add_lines
update jobs j set lines = j.lines + c.lines
from unnest($1::bigint[], $2::integer[]) as c (id, lines)
where j.id = c.id
returning j.id, j.lines

-- name: remove_lines
-- The oldest of a log that are not above a severity.
with old as materialized (
    select id from logs where job_id = $1 and severity <= $2 order by id limit $3
)
delete from logs l using old
where l.job_id = $1 and l.id = old.id
returning l.id

-- name: count_removed
-- The notice of an earlier removal is removed too: it counts as no line of the job's own.
update jobs
set lines = lines - $2 + 1,
    lines_removed = lines_removed + $2 - case when lines_removed > 0 then 1 else 0 end
where id = $1
returning lines_removed

-- name: put_notice
insert into logs (id, job_id, task_id, severity, progname, message, created_at)
overriding system value
values ($1, $2, 0, $3, $4, $5, $6)

-- name: log
select id, job_id, task_id, severity, progname, message, created_at
from logs
where job_id = $1 and id > $2 and severity >= $3
order by id
limit $4
