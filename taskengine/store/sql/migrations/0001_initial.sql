-- The first schema. Rows that are updated often are small; what a job was given and what its
-- tasks gave stays out of them. No foreign key from logs or callbacks to jobs: their writers
-- would lock job rows.

create table clients (
    name text primary key,
    key_hash text not null,
    admin boolean not null default false,
    options json not null default '{}',
    former_key_hash text,
    former_until timestamptz -- till then the key before opens too
);

create table settings (
    scope text not null,
    name text not null,
    value text not null,
    primary key (scope, name)
);
create index settings_bounds on settings (scope)
    where name in ('max_jobs', 'priority_slots', 'priority_threshold');

-- What admission locks before it counts: one row for the system ('') and one for each client.
create table scopes (name text primary key);
insert into scopes values ('');

create table definitions (
    digest text primary key,
    name text not null,
    content json not null,
    plan jsonb not null,
    tasks integer not null, -- of the plan
    client text, -- whose definition it is; null: everybody's
    callback json not null default '{}' -- of its content, read at the end of each job
);

create table instances (
    id bigint generated always as identity primary key,
    name text not null,
    beat bigint not null default 0,
    lease float8 not null default 0, -- seconds that it counts on; its peers wait as long
    process uuid, -- that it is; its witness tells of its end by this name
    dead boolean not null default false, -- known, not guessed from its silence
    joined_at timestamptz not null
) with (fillfactor = 50);

-- The last batch of records of each: one whose answer was lost is not written twice. A table of its
-- own, for a batch is long, and no heartbeat may wait for it.
create table batches (
    instance bigint primary key references instances on delete cascade,
    id uuid not null
) with (fillfactor = 50);

-- What each instance runs: any other task waits for an instance to come.
create table offers (
    instance bigint not null references instances on delete cascade,
    queue text not null,
    actions text[] not null,
    primary key (instance, queue)
);

-- Attempts whose action is over and whose end could not be written yet: should their instance die,
-- they were not the reason.
create table attempts_over (
    instance bigint not null,
    task_id bigint not null,
    attempt integer not null,
    primary key (instance, task_id)
);

create table jobs (
    id bigint generated always as identity primary key,
    request_id uuid not null unique,
    client text not null,
    workflow text not null,
    state smallint not null,
    failed boolean not null default false,
    band smallint,
    priority smallint not null,
    position integer not null,
    top_of_queue boolean not null,
    persist boolean not null,
    open_tasks integer not null default 0,
    open_edges integer not null default 0,
    lanes smallint not null default 0,
    lines integer not null default 0, -- of its log, as far as attempts and updates wrote them
    lines_removed integer not null default 0,
    changed xid8 not null default pg_current_xact_id(), -- by which transaction, as lists show it
    created_at timestamptz not null,
    updated_at timestamptz not null,
    run_at timestamptz not null,
    content_id text,
    semaphore_url text,
    gate_open boolean not null default false,
    gate_due_at timestamptz,
    gate_failures integer not null default 0,
    gate_answer text,
    digest text,
    rerun_of bigint,
    rerun_as bigint,
    handed_on boolean not null default false, -- run again before it ended: so are its edges
    idempotency_key text,
    idempotency_digest text -- of the body that came with the key
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

create unique index jobs_by_key on jobs (client, idempotency_key) where idempotency_key is not null;
create index jobs_queued on jobs (client, top_of_queue, priority, position, created_at, id) where state = 0;
create index jobs_running on jobs (client, band) where band is not null;
create index jobs_due on jobs (run_at, id) where state = 5 and (semaphore_url is null or gate_open);
create index jobs_gated on jobs (coalesce(gate_due_at, run_at), id)
    where state = 5 and semaphore_url is not null and not gate_open;
create function gate_host(url text) returns text immutable language sql
    return lower(substring(url from '://(?:[^/?#]*@)?([^/?#]*)'));
create index jobs_of_gate_host on jobs (gate_host(semaphore_url), coalesce(gate_due_at, run_at), id)
    where state = 5 and semaphore_url is not null and not gate_open;
create index jobs_of_definition on jobs (digest); -- there are few: an entry is a number or two
create index jobs_ended on jobs (updated_at, id) where state in (2, 4) and not persist;

-- Lists. They read one of these in its order, and besides it all started jobs, which are few: so
-- the start of a job writes none of them. Neither `open_tasks` nor `lanes` is in any index or
-- predicate, so that the end of a task writes no index of jobs at all (a HOT update).
-- `state - 1`, `state * 1` and `id + 0` are for the planner. It takes an index only where it can
-- prove that it serves: so it takes none of these for other statements, and none but these here.
create index jobs_started on jobs ((id + 0)) where state * 1 = 1;
create index jobs_accepted on jobs ((id + 0)) where state - 1 <> 0 and digest is not null;
create index jobs_of_client on jobs (client, (id + 0)) where state - 1 <> 0;
create index jobs_by_state on jobs (state, (id + 0)) where state - 1 <> 0;
create index jobs_by_failure on jobs (failed, id) where state - 1 <> 0;
create index jobs_by_creation on jobs (created_at, id) where state - 1 <> 0;
create index jobs_by_change on jobs (updated_at, id) where state - 1 <> 0;
create index jobs_by_time on jobs (run_at, id) where state - 1 <> 0;
create index jobs_by_priority on jobs (priority, id) where state - 1 <> 0;
create index jobs_by_position on jobs (position, id) where state - 1 <> 0;
create index jobs_by_workflow on jobs (workflow, id) where state - 1 <> 0;
create index jobs_by_content on jobs (lower(content_id) text_pattern_ops)
    where state - 1 <> 0 and content_id is not null;
create index jobs_failed on jobs ((id + 0)) where state * 1 = 2 and failed;
create index jobs_ranked on jobs (top_of_queue, priority, position, created_at, id)
    where state * 1 = 0;
create index jobs_scheduled on jobs (run_at, id) where state * 1 = 5;
create index jobs_scheduled_of on jobs (client, run_at, id) where state * 1 = 5;
create index jobs_changed on jobs (changed, id);

-- Who waits for whom: for its completion (depends_on) or for the end of its tasks (a rerun).
create table edges (
    parent bigint not null,
    child bigint not null,
    kind text not null,
    open boolean not null default true,
    primary key (child, parent, kind)
);
create index edges_open on edges (parent, child) where open and kind = 'completes';
create index edges_ends on edges (parent, child) where open and kind = 'ends';
create index edges_of_parent on edges (parent);

-- Jobs that are over while others still wait for their completion: these are told in steps, of
-- which each job in turn has one.
create table cascades (
    parent bigint primary key,
    steps integer not null default 0
);
create index cascades_in_turn on cascades (steps, parent);

create table job_data (
    job_id bigint primary key,
    submitted json not null, -- json, not jsonb: keys stay in their order
    parameters json not null,
    facts json not null,
    size integer not null default 0 -- octets of all three
);

create table tasks (
    id bigint generated always as identity primary key,
    job_id bigint not null,
    number smallint not null,
    name text not null,
    action text not null,
    queue text not null,
    needs smallint[] not null,
    priority smallint not null,
    state smallint not null,
    waits_for smallint not null,
    attempt integer not null default 0,
    failures integer not null default 0,
    rescues integer not null default 0,
    progress real not null default 0,
    holder bigint references instances,
    claim_id uuid,
    due_at timestamptz not null,
    is_retry boolean not null default false, -- it is queued, and waits for its time
    claimed_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    error text,
    unique (job_id, number)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

-- What waits for its time stands apart, or every claim would read past it.
create index tasks_queued on tasks (queue, action, priority, id) where state = 1 and not is_retry;
create index tasks_retried on tasks (queue, action, due_at, id) where state = 1 and is_retry;
create index tasks_held on tasks (holder, id) where holder is not null;
create index tasks_claimed on tasks (claim_id) where claim_id is not null;

create table results (
    job_id bigint not null,
    name text not null,
    result json not null,
    size integer not null default 0, -- octets
    primary key (job_id, name)
);

create table logs (
    id bigint generated always as identity,
    job_id bigint not null,
    task_id bigint not null,
    severity smallint not null,
    progname text not null,
    message text not null,
    created_at timestamptz not null,
    primary key (job_id, id) -- written under the lock of the job: its lines commit in this order
) with (autovacuum_vacuum_insert_scale_factor = 0.1);

create table lanes (
    id bigint generated always as identity primary key,
    job_id bigint not null,
    ordinal smallint not null,
    url text not null,
    host text not null,
    events text[] not null default '{}', -- that it hears of; none: all
    last_number integer not null default 0,
    failures integer not null default 0,
    due_at timestamptz,
    holder bigint references instances,
    claims integer not null default 0,
    dead boolean not null default false,
    replayed boolean not null default false, -- while it was held: the try in flight decides nothing
    unique (job_id, ordinal)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

create index lanes_due on lanes (due_at, id) include (host)
    where due_at is not null and holder is null and not dead;
create index lanes_of_host on lanes (host, due_at, id)
    where due_at is not null and holder is null and not dead;
create index lanes_held on lanes (holder) where holder is not null;

-- What the URLs of a job are told of. Its body is kept once, however many there are.
create table events (
    id bigint generated always as identity primary key,
    job_id bigint not null,
    task_id bigint not null,
    task_name text,
    event text not null,
    body text not null, -- JSON, for the engine to send as it is
    created_at timestamptz not null,
    unique (job_id, task_id, event)
);

create table callbacks (
    id bigint generated always as identity primary key,
    lane_id bigint not null,
    number integer not null,
    event_id bigint not null,
    attempts integer not null default 0,
    delivered_at timestamptz,
    status integer,
    error text,
    unique (lane_id, number),
    unique (lane_id, event_id)
) with (fillfactor = 85);

create index callbacks_waiting on callbacks (lane_id, number) where delivered_at is null;

-- Counted where the state changes, a row for each writer, so that no row is hot.
create table counters (
    instance bigint not null, -- 0: folded, or no instance of its own
    client text not null,
    state smallint not null,
    failed boolean not null,
    n bigint not null,
    primary key (instance, client, state, failed)
) with (fillfactor = 50);

create table task_counters (
    instance bigint not null,
    state smallint not null,
    n bigint not null,
    primary key (instance, state)
) with (fillfactor = 50);

-- Recurring work. `tick_at` is the tick that somebody runs, handed out again at `again_at`.
create table schedules (
    name text not null,
    class text not null,
    description text not null,
    every integer, -- seconds; neither it nor cron: the setting schedule_interval
    first_in integer not null default 0,
    cron text,
    queue text not null default 'scheduler',
    active boolean not null default true,
    next_at timestamptz, -- null: nobody has looked at it yet
    tick_at timestamptz,
    again_at timestamptz,
    client text, -- null: built in
    body json, -- the job: read for it alone
    size integer not null default 0, -- of the body, in bytes
    created_at timestamptz
);

create unique index schedules_by_name on schedules (coalesce(client, ''), name);

insert into schedules (name, class, description, every, first_in) values
    ('queue_scheduled_jobs', 'QueueJobs',
     'Enqueues scheduled jobs that have a run_at time in the past.', null, 5),
    ('rescue_lost_tasks', 'RescueTasks',
     'Queues again the tasks of instances that are gone.', 60, 5),
    ('clear_old_jobs', 'ClearJobs',
     'Removes jobs that ended more than retention_days ago.', 3600, 60);
