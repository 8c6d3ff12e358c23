-- How many jobs ended in each hour, a row for each writer, so that no row is hot.
create table ends (
    hour timestamptz not null,
    client text not null,
    failed boolean not null,
    instance bigint not null,
    n bigint not null,
    primary key (hour, client, failed, instance)
) with (fillfactor = 50);
