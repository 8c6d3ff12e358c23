-- A job that goes on where another ended uses that one's workspace: files that its tasks left.
-- An engine that does not know of it yet claims no task of such a job well: upgrade all instances
-- before a job is retried.

alter table jobs add column workspace bigint; -- null: its own
create index jobs_of_workspace on jobs (workspace) where workspace is not null;
