"""What a measurement costs: CPU of processes, and what the database did for it."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import trio
from trio_asyncio import aio_as_trio

TICKS = os.sysconf("SC_CLK_TCK")
STATISTICS_DELAY = 1.2  # seconds in which sessions of the database tell what they did
ACTIVITY = """
    select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as wal, sum(xact_commit) as transactions,
           sum(tup_inserted + tup_updated + tup_deleted) as rows
    from pg_stat_database where datname = current_database()
"""
STATEMENTS = """
    select sum(calls) from pg_stat_statements
    where dbid = (select oid from pg_database where datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums until a moment, or what was used between two. Seconds of CPU of the measured process and
    of the database, octets of WAL; statements are counted where the database has
    pg_stat_statements."""

    wall: float
    process: float
    database: float
    statements: float | None
    transactions: float
    rows: float
    wal: float

    def since(self, before: Usage) -> Usage:
        """What was used meanwhile."""
        statements = None
        if self.statements is not None and before.statements is not None:
            statements = self.statements - before.statements
        return Usage(
            self.wall - before.wall,
            self.process - before.process,
            self.database - before.database,
            statements,
            self.transactions - before.transactions,
            self.rows - before.rows,
            self.wal - before.wal,
        )

    def each(self, number: int) -> Mapping[str, float | None]:
        """For one of so many jobs: CPU in ms, the rest as it is."""
        statements = None if self.statements is None else self.statements / number
        return {
            "per_second": number / self.wall,
            "process_ms": 1000 * self.process / number,
            "database_ms": 1000 * self.database / number,
            "statements": statements,
            "transactions": self.transactions / number,
            "rows": self.rows / number,
            "wal": self.wal / number,
        }


class DatabaseMeter:
    """Reads what the database at a URL has done. Its CPU is known where it runs on this machine."""

    def __init__(self, connection: Any, postmaster: int, *, counts_statements: bool) -> None:
        self.connection = connection
        self._postmaster = postmaster
        self.counts_statements = counts_statements

    async def usage(self, *processes: int) -> Usage:
        """Until now, with the CPU of processes and all their children."""
        wall, process = time.monotonic(), sum(map(cpu, processes))
        database = cpu(self._postmaster) if self._postmaster else 0.0
        await trio.sleep(STATISTICS_DELAY)
        row = await self._fetchrow(ACTIVITY)
        statements = await self.value(STATEMENTS) if self.counts_statements else None
        return Usage(
            wall,
            process,
            database,
            None if statements is None else float(statements),
            float(row["transactions"]),
            float(row["rows"]),
            float(row["wal"]),
        )

    async def value(self, query: str, *arguments: object) -> Any:
        """The first column of the first row."""
        return await aio_as_trio(self.connection.fetchval)(query, *arguments)

    async def rows(self, query: str, *arguments: object) -> Any:
        return await aio_as_trio(self.connection.fetch)(query, *arguments)

    async def _fetchrow(self, query: str) -> Any:
        return await aio_as_trio(self.connection.fetchrow)(query)


@asynccontextmanager
async def database_meter(url: str) -> AsyncIterator[DatabaseMeter]:
    """On a connection of its own, for the length of the block; needs a trio-asyncio loop."""
    connection = await aio_as_trio(asyncpg.connect)(url)
    try:
        postmaster = _parent(connection.get_server_pid())
        counts = await aio_as_trio(_counts_statements)(connection)
        yield DatabaseMeter(connection, postmaster, counts_statements=counts)
    finally:
        connection.terminate()


async def _counts_statements(connection: Any) -> bool:
    """Whether the server has pg_stat_statements; it is made known to this database then."""
    loaded = str(await connection.fetchval("show shared_preload_libraries"))
    if "pg_stat_statements" not in loaded:
        return False
    await connection.execute("create extension if not exists pg_stat_statements")
    return True


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used, with all its children, living and dead."""
    return own_cpu(pid) + sum(map(own_cpu, descendants(pid)))


def own_cpu(pid: int) -> float:
    """The same with its dead children alone."""
    fields = _stat(pid)
    return 0.0 if fields is None else sum(map(int, fields[11:15])) / TICKS


def descendants(pid: int) -> Iterator[int]:
    """The living children of a process, and theirs."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = " ".join((task / "children").read_text("ascii") for task in tasks)
    except OSError:
        return
    for child in map(int, children.split()):
        yield child
        yield from descendants(child)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat behind the name."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return None


def _parent(pid: int) -> int:
    """The parent of a process of this machine, 0 if there is none: the server is elsewhere."""
    fields = _stat(pid)
    return int(fields[1]) if fields and "postgres" in _name(pid) else 0


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text("utf-8")
