-- Starts that were foretold, to be judged when the jobs start: how often such forecasts come true.
create table forecasts (
    job_id bigint primary key,
    made_at timestamptz not null,
    start_at timestamptz not null, -- foretold
    started_at timestamptz, -- null: it waits yet
    is_right boolean
);
create index forecasts_open on forecasts (job_id) where started_at is null;
create index forecasts_judged on forecasts (started_at, job_id) where started_at is not null;
