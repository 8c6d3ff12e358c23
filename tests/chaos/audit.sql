-- What the auditor sees for itself, whatever the engine says: triggers note every transition with
-- the process that made it (`audit.process`, a setting of its connections), and what must not be.

create schema audit;

create table audit.limits (scope text primary key, max_jobs integer, slots integer, threshold integer);
create table audit.members (instance bigint primary key, process text, at timestamptz not null);
create table audit.moves (id bigserial primary key, job_id bigint, before smallint, after smallint,
                          process text, at timestamptz not null);
create table audit.admissions (id bigserial primary key, job_id bigint, before smallint,
                               process text, at timestamptz not null);
create table audit.plans (job_id bigint, tx xid8, primary key (job_id, tx));
create table audit.claims (task_id bigint, attempt integer, process text, at timestamptz not null,
                           job_id bigint);
create index on audit.claims (task_id, attempt);
create table audit.ends (task_id bigint, attempt integer, process text, at timestamptz not null);
create index on audit.ends (task_id, attempt);
create table audit.slots (job_id bigint primary key, client text, low boolean);
create table audit.violations (id bigserial primary key, kind text, job_id bigint, task_id bigint,
                               what text, process text, at timestamptz not null);

create function audit.process() returns text language sql as
$$ select nullif(current_setting('audit.process', true), '') $$;

create function audit.accuse(kind text, job_id bigint, task_id bigint, what text) returns void
language sql as
$$ insert into audit.violations (kind, job_id, task_id, what, process, at)
   values (kind, job_id, task_id, what, audit.process(), clock_timestamp()) $$;

-- Whether a process speaks for an instance.
create function audit.is_mine(holder bigint) returns boolean language sql as
$$ select exists (select 1 from audit.members m
                  where m.instance = holder and m.process = audit.process()) $$;

create function audit.joined() returns trigger language plpgsql as $$
begin
    insert into audit.members values (new.id, audit.process(), clock_timestamp());
    return null;
end $$;
create trigger audit_joined after insert on public.instances
    for each row execute function audit.joined();

-- Jobs: each move, and who holds a slot, with the band of its priority.
create function audit.is_low(client text, priority integer) returns boolean language sql as
$$ select bool_or(priority > l.threshold) from audit.limits l where l.scope in ('', client) $$;

create function audit.moved() returns trigger language plpgsql as $$
begin
    insert into audit.moves (job_id, before, after, process, at)
    values (new.id, case when tg_op = 'UPDATE' then old.state end, new.state, audit.process(),
            clock_timestamp());
    if new.state = 1 then
        insert into audit.slots values (new.id, new.client, audit.is_low(new.client, new.priority));
    elsif new.state in (2, 6) then -- a broken one keeps its slot while its tasks work
        delete from audit.slots where job_id = new.id;
    end if;
    return null;
end $$;
create trigger audit_inserted after insert on public.jobs
    for each row execute function audit.moved();
create trigger audit_moved after update of state on public.jobs
    for each row when (old.state is distinct from new.state) execute function audit.moved();

-- Fires for each statement that names the column: also for one that admits a started job again.
create function audit.admitted() returns trigger language plpgsql as $$
begin
    insert into audit.admissions (job_id, before, process, at)
    values (new.id, old.state, audit.process(), clock_timestamp());
    return null;
end $$;
create trigger audit_admitted after update of band on public.jobs
    for each row when (new.band is not null) execute function audit.admitted();

create function audit.planned() returns trigger language plpgsql as $$
begin
    insert into audit.plans values (new.job_id, pg_current_xact_id()) on conflict do nothing;
    return null;
end $$;
create trigger audit_planned after insert on public.tasks
    for each row execute function audit.planned();

-- Rule 9, at the commit of each admission. The lock of its own makes one commit wait for the
-- other, so that two admissions that ran side by side are seen together.
create function audit.check_slots() returns trigger language plpgsql as $$
declare
    found record;
begin
    if current_setting('audit.checked', true) = pg_current_xact_id()::text then
        return null;
    end if;
    perform pg_advisory_xact_lock(7461736);
    perform set_config('audit.checked', pg_current_xact_id()::text, true);
    for found in
        with running as materialized (
            select s.client, s.low
            from audit.slots s join public.jobs j on j.id = s.job_id
            where j.state = 1
               or exists (select 1 from public.tasks t where t.job_id = j.id and t.state = 2)
        )
        select l.scope, c.low, c.high
        from audit.limits l
        cross join lateral (
            select count(*) filter (where r.low) as low, count(*) filter (where not r.low) as high
            from running r where l.scope in ('', r.client)
        ) as c
        cross join lateral (select least(l.slots, l.max_jobs) as slots) as s
        where c.low + c.high > l.max_jobs
           or c.low + greatest(0, c.high - s.slots) > l.max_jobs - s.slots
    loop
        perform audit.accuse('slots', new.id, null,
            format('"%s" runs %s low and %s high', found.scope, found.low, found.high));
    end loop;
    return null;
end $$;
create constraint trigger audit_slots after update of state on public.jobs
    deferrable initially deferred for each row
    when (old.state is distinct from 1 and new.state = 1) execute function audit.check_slots();

-- Tasks: who works on what, and writes of those who do not.
create function audit.task_changed() returns trigger language plpgsql as $$
begin
    if new.state = 2 and (old.state <> 2 or new.attempt <> old.attempt) then
        insert into audit.claims
        values (new.id, new.attempt, audit.process(), clock_timestamp(), new.job_id);
        if old.state <> 1 or new.attempt <> old.attempt + 1 or not audit.is_mine(new.holder) then
            perform audit.accuse('stale', new.job_id, new.id,
                format('attempt %s claimed in state %s', new.attempt, old.state));
        end if;
        return null;
    end if;
    if old.state = 2 and new.state <> 2 then
        insert into audit.ends values (old.id, old.attempt, audit.process(), clock_timestamp());
    end if;
    if old.state < 2 and (new.state in (3, 4, 6)
          or (new.attempt, new.progress, new.started_at, new.failures, new.rescues) is distinct from
             (old.attempt, old.progress, old.started_at, old.failures, old.rescues)) then
        perform audit.accuse('stale', new.job_id, new.id, 'written while nobody held it');
    elsif new.progress > 0.5 and new.progress < 1 and new.progress <> old.progress
          and round(((new.progress - 0.5) * 1000)::numeric) <> new.attempt then
        perform audit.accuse('stale', new.job_id, new.id,
            format('progress %s of an older attempt than %s', new.progress, new.attempt));
    end if;
    return null;
end $$;
create trigger audit_task_changed after update on public.tasks
    for each row when (old.state <= 2) execute function audit.task_changed();

-- Whatever is written then, even the same again.
create function audit.changed_after_end() returns trigger language plpgsql as $$
begin
    perform audit.accuse('stale', new.job_id, new.id, 'written after its end');
    return null;
end $$;
create trigger audit_changed_after_end after update of state, progress, started_at on public.tasks
    for each row when (old.state > 2) execute function audit.changed_after_end();

-- A working task is changed by its holder, or by a rescue, which removes the holder: seen at commit.
create function audit.check_holder() returns trigger language plpgsql as $$
begin
    if not audit.is_mine(old.holder)
       and exists (select 1 from public.instances i where i.id = old.holder) then
        perform audit.accuse('stale', old.job_id, old.id,
            format('attempt %s changed by another than its holder', old.attempt));
    end if;
    return null;
end $$;
create constraint trigger audit_holder after update on public.tasks
    deferrable initially deferred for each row
    when (old.state = 2 and (new.state, new.attempt, new.holder, new.progress, new.started_at)
          is distinct from (old.state, old.attempt, old.holder, old.progress, old.started_at))
    execute function audit.check_holder();

-- Lines and results name the attempt that they come from: it has to be the current one, and
-- working, or ended by this very transaction.
create function audit.check_attempt(job bigint, task bigint, attempt integer, what text)
returns void language plpgsql as $$
begin
    if not exists (
        select 1 from public.tasks t
        where t.id = task and t.attempt = check_attempt.attempt
          and ((t.state = 2 and audit.is_mine(t.holder))
               or t.xmin::text::bigint = pg_current_xact_id()::text::bigint % 4294967296)
    ) then
        perform audit.accuse('stale', job, task, format('%s of attempt %s', what, attempt));
    end if;
end $$;

create function audit.logged() returns trigger language plpgsql as $$
begin
    perform audit.check_attempt(new.job_id, new.task_id, split_part(new.message, ' ', 2)::integer,
                                'a line');
    return null;
end $$;
create trigger audit_logged after insert on public.logs
    for each row when (new.progname = 'worker' and new.message like 'attempt %')
    execute function audit.logged();

create function audit.resulted() returns trigger language plpgsql as $$
begin
    perform audit.check_attempt(new.job_id, (new.result ->> 'task')::bigint,
                                (new.result ->> 'attempt')::integer, 'a result');
    return null;
end $$;
create trigger audit_resulted after insert or update on public.results
    for each row when (new.result ->> 'attempt' is not null) execute function audit.resulted();
