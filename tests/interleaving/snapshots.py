"""Worlds kept in the database, so that each case begins with one in a single round trip."""

from __future__ import annotations

import json
from typing import Any

from taskengine.store.postgres import PostgresStore

# What a case may change, with the identity columns that count on from fixed numbers: so that the
# same course of events leaves the same rows.
NUMBERED = ("instances", "jobs", "tasks", "logs", "lanes", "events", "callbacks")
TABLES = (
    *("clients", "settings", "scopes", "definitions", "instances", "offers", "batches", "jobs"),
    *("edges", "cascades", "job_data", "tasks", "results", "logs", "lanes", "events", "callbacks"),
    *("counters", "task_counters", "schedules"),
)
FIRST = 1_000  # the numbers of what a case makes
RANDOM = ("request_id", "claim_id", "xid")

State = dict[str, list[dict[str, Any]]]


async def run(store: PostgresStore, statements: str) -> None:
    async def execute(connection: Any) -> None:
        await connection.execute(statements)

    await store.pool.run(execute, single=True)


def _copies(source: str, target: str) -> str:
    return "; ".join(
        f"insert into {target}{table} overriding system value select * from {source}{table}"
        if not target and table in NUMBERED
        else f"insert into {target}{table} select * from {source}{table}"
        for table in TABLES
    )


async def save(store: PostgresStore, name: str) -> None:
    """Keep all that is in the tables as a world."""
    tables = "; ".join(
        f"create table {name}.{table} as select * from public.{table}" for table in TABLES
    )
    await run(store, f"drop schema if exists {name} cascade; create schema {name}; {tables}")


def _restoring(name: str) -> str:
    emptied = "; ".join(f"delete from public.{table}" for table in reversed(TABLES))
    numbers = "; ".join(f"perform setval('{one}_id_seq', {FIRST}, false)" for one in NUMBERED)
    return (
        f"create or replace function {name}.restore() returns void language plpgsql as $$ begin "
        f"{emptied}; {_copies(f'{name}.', '')}; {numbers}; end $$"
    )


async def keep(store: PostgresStore, name: str) -> None:
    """The world as it is now can be restored under this name."""
    await save(store, name)
    await run(store, _restoring(name))


async def restore(store: PostgresStore, name: str) -> None:
    await run(store, f"select {name}.restore()")


LEFT_OUT = ("clients", "scopes", "definitions", "job_data", "batches")
AS_TOLD = {
    "logs": "select json_agg(json_build_array(job_id, task_id, message) order by id) from logs",
    "events": "select json_agg(json_build_array(job_id, task_id, event) order by id) from events",
    "callbacks": "select json_agg(to_jsonb(c) - '{id,event_id}'::text[] || jsonb_build_object("
    "'job_id', e.job_id, 'task_id', e.task_id, 'task_name', e.task_name, 'event', e.event)"
    " order by c.lane_id, c.number) from callbacks c join events e on e.id = c.event_id",
}


def _rows(table: str) -> str:
    rows = f"select json_agg(to_jsonb(t) order by to_jsonb(t)) from {table} t"
    return f"'{table}', coalesce(({AS_TOLD.get(table, rows)}), '[]')"


STATE = ", ".join(_rows(table) for table in TABLES if table not in LEFT_OUT)


async def state(store: PostgresStore) -> State:
    """All rows, but for what differs in equal courses of events."""

    async def read(connection: Any) -> str:
        text: str = await connection.fetchval(f"select json_build_object({STATE})::text")
        return text

    found: State = json.loads(await store.pool.run(read, single=True))
    for rows in found.values():
        for row in rows:
            if isinstance(row, dict):
                for name in RANDOM:
                    row.pop(name, None)
    return found
