-- Fair shares: the virtual time of each client, and of the system (''). Of what clients have kept under
-- the name that is a setting now nothing was ever meant so.

alter table scopes add column virtual_time bigint not null default 0;
alter table scopes set (fillfactor = 50);
delete from settings where name = 'weight';
create index settings_weights on settings (scope) where name = 'weight' and value <> '0';
