-- What is paused: clients, workflows, queues, instances. And the jobs that were set aside since their
-- workflow is paused, to be queued again after it.

create table pauses (
    kind text not null,
    name text not null,
    since timestamptz not null,
    by text not null, -- which client
    until timestamptz, -- null: until somebody ends it
    primary key (kind, name)
);

create table held_jobs (
    workflow text not null,
    job_id bigint not null unique,
    primary key (workflow, job_id)
);
