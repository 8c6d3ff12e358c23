-- name: client
select name, key_hash, admin, options, former_key_hash, former_until from clients where name = $1

-- name: clients
select name, key_hash, admin, options, former_key_hash, former_until from clients order by name

-- name: clients_named
select name, key_hash, admin, options, former_key_hash, former_until from clients
where name = any($1::text[])

-- name: lock_clients
lock table clients in share row exclusive mode

-- name: any_client
select 1 from clients limit 1

-- name: put_client
insert into clients (name, key_hash, admin, options, former_key_hash, former_until)
values ($1, $2, $3, $4::json, $5, $6)
on conflict (name) do update
set key_hash = excluded.key_hash, admin = excluded.admin, options = excluded.options,
    former_key_hash = excluded.former_key_hash, former_until = excluded.former_until

-- name: put_scope
insert into scopes (name) values ($1) on conflict do nothing

-- name: remove_client
with recurring as (
    delete from schedules where client = $1
)
delete from clients where name = $1 returning name

-- name: settings
select name, value from settings where scope = $1

-- name: settings_by_client
select scope, name, value from settings where scope = any($1::text[])

-- name: lock_scope
select 1 from scopes where name = $1 for no key update

-- name: setting_names
select name from settings where scope = $1

-- name: removed_clients
-- Of whom no job is left that their settings might hold for.
select s.name from scopes s
where s.name <> '' and not exists (select 1 from clients c where c.name = s.name)
  and not exists (select 1 from jobs j where j.client = s.name and j.state - 1 <> 0)
  and not exists (select 1 from jobs j where j.client = s.name and j.band is not null)
order by s.name
limit 1000

-- name: forget_settings
delete from settings where scope = any($1::text[])

-- name: forget_scopes
delete from scopes where name = any($1::text[])

-- name: put_setting
insert into settings (scope, name, value) values ($1, $2, $3)
on conflict (scope, name) do update set value = excluded.value
