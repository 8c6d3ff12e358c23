-- Tasks are claimed before a worker is free for them. Those that an instance took with it before
-- they began were not the reason of its death.
alter table tasks add column ahead boolean not null default false;
