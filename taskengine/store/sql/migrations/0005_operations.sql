-- Bulk operations: what is done to all jobs that a filter matches, and to which it was done.

create table operations (
    id bigint generated always as identity primary key,
    client text not null,
    action text not null,
    wanted json not null,
    "values" json not null,
    dry_run boolean not null,
    top bigint not null,
    created_at timestamptz not null,
    state text not null,
    cursor_id bigint,
    cursor_at timestamptz,
    matched bigint not null default 0,
    done bigint not null default 0,
    skipped bigint not null default 0,
    undone bigint not null default 0,
    errors json not null default '[]',
    ended_at timestamptz,
    claim integer not null default 0,
    held_until timestamptz
) with (fillfactor = 50);

create index operations_active on operations (held_until, id)
    where state in ('counting', 'running', 'undoing');
create index operations_of_client on operations (client, id);
create index operations_ended on operations (ended_at) where ended_at is not null;

-- The jobs that were changed and may be changed back, with the priority that they had.
create table operation_jobs (
    operation bigint not null,
    job_id bigint not null,
    priority smallint not null,
    primary key (operation, job_id)
);
