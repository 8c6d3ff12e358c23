"""Copies a block of real jobs until a database holds as many as are wanted.

The rows are the engine's own, with ids moved on, so that they have the columns and the nulls that
real jobs leave, whatever becomes of the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bench.scale.block import BACKLOG, HISTORY
from taskengine.store.postgres.connections import Connection

CHUNK = 2_500  # copies in one statement
SPAN_OF_HISTORY = timedelta(days=29)  # less than after which clean-up takes it
IDS = {  # by table: the columns that hold ids, and of what
    "jobs": {"id": "jobs", "rerun_of": "jobs", "rerun_as": "jobs"},
    "job_data": {"job_id": "jobs"},
    "edges": {"parent": "jobs", "child": "jobs"},
    "tasks": {"id": "tasks", "job_id": "jobs"},
    "results": {"job_id": "jobs"},
    "logs": {"id": "logs", "job_id": "jobs", "task_id": "tasks"},
    "lanes": {"id": "lanes", "job_id": "jobs"},
    "events": {"id": "events", "job_id": "jobs", "task_id": "tasks"},
    "callbacks": {"id": "callbacks", "lane_id": "lanes", "event_id": "events"},
}
OF_JOB = {  # the condition on the ids of the jobs, where their column is no job_id
    "jobs": "id {}",
    "edges": "child {}",
    "callbacks": "lane_id in (select id from lanes where job_id {})",
}
SET = {  # what a copy gets in place of the original's
    ("jobs", "request_id"): "gen_random_uuid()",
    ("jobs", "content_id"): "b.content_id || '-' || c.n",
    ("lanes", "due_at"): "b.due_at + interval '1 year'",  # or the engine would send them now
    ("jobs", "run_at"): "case when b.state = 5 then b.run_at else b.run_at - c.age end",
}
LEFT_OUT = {("logs", "xid")}  # its default is this transaction's
ENDED = "state in (2, 4) and open_tasks = 0"


@dataclass(frozen=True, slots=True)
class Block:
    """The rows that are copied: how many ids of each table they span."""

    spans: dict[str, int]
    tasks: dict[int, int]  # its counters of ended tasks


def of_jobs(table: str, condition: str) -> str:
    """The condition that a table's rows belong to jobs whose ids are as `condition` says."""
    return OF_JOB.get(table, "job_id {}").format(condition)


async def read_block(connection: Connection) -> Block:
    """The block of a database that holds nothing else."""
    spans = {
        table: await connection.fetchval(f"select coalesce(max(id), 0) from {table}")
        for table, columns in IDS.items()
        if "id" in columns
    }
    assert spans["jobs"] == HISTORY + BACKLOG, spans
    rows = await connection.fetch("select state, sum(n)::bigint as n from task_counters group by 1")
    return Block(spans, {row["state"]: row["n"] for row in rows})


@dataclass(slots=True)
class Filler:
    """Grows a database, copy by copy."""

    connection: Connection
    block: Block
    progress: Callable[[str], None]
    most: int  # copies that there will be: what comes first is the oldest
    history: int = 0  # copies
    backlog: int = 0

    async def grow(self, history: int, backlog: int) -> None:
        """Fill up to so many jobs that are over, and so many that wait."""
        await self.connection.execute(
            "set statement_timeout = 0; set synchronous_commit = off; set enable_hashjoin = on; "
            "set idle_in_transaction_session_timeout = 0"
        )
        wanted = max(0, history // HISTORY - 1)
        await self._copy(1, HISTORY, self.history, wanted, "history")
        self.history = max(self.history, wanted)
        wanted = max(0, backlog // BACKLOG - 1)
        await self._copy(HISTORY + 1, HISTORY + BACKLOG, self.backlog, wanted, "backlog")
        self.backlog = max(self.backlog, wanted)
        await self._count()
        for table, span in self.block.spans.items():  # what is made meanwhile is above all copies
            name, top = f"pg_get_serial_sequence('{table}', 'id')", span * (self.most + 1)
            await self.connection.execute(
                f"select setval({name}, {top}) where {top} > (select max(id) from {table})"
            )
        self.progress("vacuum")
        await self.connection.execute("vacuum (analyze)", timeout=3600)
        await self.connection.execute("checkpoint", timeout=600)

    async def _copy(self, low: int, high: int, before: int, wanted: int, kind: str) -> None:
        for start in range(before + 1, wanted + 1, CHUNK):
            stop = min(start + CHUNK - 1, wanted)
            for table in IDS:
                age = SPAN_OF_HISTORY if kind == "history" else timedelta(hours=1)
                given = (start, stop, low, high, age, self.most)
                await self.connection.execute(await self._statement(table), *given, timeout=3600)
            self.progress(f"{kind}: {stop * (high - low + 1)} jobs")

    async def _statement(self, table: str) -> str:
        rows = await self.connection.fetch(
            "select column_name as name, data_type as type from information_schema.columns "
            "where table_schema = 'public' and table_name = $1 order by ordinal_position",
            table,
        )
        columns = {row["name"]: row["type"] for row in rows if (table, row["name"]) not in LEFT_OUT}
        values = [self._value(table, name, kind) for name, kind in columns.items()]
        return (
            f"insert into {table} ({', '.join(columns)}) overriding system value "
            f"select {', '.join(values)} from "
            "(select n, $5::interval * (1 - n / $6::float8) as age "
            "from generate_series($1::bigint, $2::bigint) as n) as c "
            f"cross join (select * from {table} "
            f"where {of_jobs(table, 'between $3::bigint and $4::bigint')}) as b"
        )

    def _value(self, table: str, name: str, kind: str) -> str:
        if (table, name) in SET:
            return SET[table, name]
        if (of := IDS[table].get(name)) is not None:
            moved = f"b.{name} + c.n * {self.block.spans[of]}"
            return f"case when b.{name} = 0 then 0 else {moved} end" if name == "task_id" else moved
        return f"b.{name} - c.age" if kind.startswith("timestamp") else f"b.{name}"

    async def _count(self) -> None:
        """The counters as the engine would have left them."""
        await self.connection.execute("truncate counters, task_counters")
        await self.connection.execute(
            "insert into counters (instance, client, state, failed, n) "
            "select 0, client, state, failed, count(*) from jobs group by client, state, failed",
            timeout=3600,
        )
        for state, number in self.block.tasks.items():
            total = number * (1 + self.history)
            await self.connection.execute(
                "insert into task_counters (instance, state, n) values (0, $1, $2)", state, total
            )
