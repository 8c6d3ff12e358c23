-- A digest of the workflow files that an instance has; null: it has not said.
alter table instances add column workflows text;
