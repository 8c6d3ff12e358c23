"""Transactions stopped before a statement of theirs, so that others run in between.

Nothing sleeps for luck: the one that is stopped waits for an event, and that the other one is
blocked is read from the server (`pg_blocking_pids`).
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
import trio
from trio_asyncio import trio_as_aio

from taskengine.store.postgres import PostgresStore, connections, runner
from taskengine.store.postgres.connections import Pool
from taskengine.store.postgres.driver_errors import COLLIDED
from taskengine.store.postgres.driver_loop import SharedLoop
from taskengine.store.postgres.queries import queries

# The limits of the role would end a transaction that is stopped while the machine is busy; a
# deadlock is to be seen at once.
UNLIMITED = (
    "set lock_timeout = 0; set idle_in_transaction_session_timeout = 0; set statement_timeout = 0; "
    "set synchronous_commit = off"  # nothing is to outlive the run
)
TOLD_AT_ONCE = (  # may be set by superusers alone
    "set deadlock_timeout = '1ms'; set log_lock_waits = on; set client_min_messages = log"
)
BLOCKED = "select cardinality(pg_blocking_pids($1)) > 0"
LOOK = 0.003  # seconds between looks whether a call is over or blocked
NAMES = {text: name for name, text in queries().items()}

Call = Callable[[PostgresStore], Awaitable[Any]]


def lift_limits(patch: pytest.MonkeyPatch) -> None:
    """Who is stopped, or waits for who is, meets no limit in time, however busy the machine is."""
    patch.setattr(runner, "LONGEST_ANSWER", math.inf)
    patch.setattr(connections, "COMMAND_TIMEOUT", None)


@dataclass
class Stop:
    """Before the statement of this number, counted from 0, or name; -1: nowhere."""

    where: int | str = -1
    is_reached: bool = False
    rests: trio.Event = field(default_factory=trio.Event)  # the call is there, or over
    leave: trio.Event = field(default_factory=trio.Event)
    statements: list[str] = field(default_factory=list)

    async def before(self, text: str) -> None:
        number = len(self.statements)
        self.statements.append(NAMES.get(text, text[:40]))
        if self.where in (number, self.statements[-1]) and not self.is_reached:
            self.is_reached = True
            self.rests.set()
            await trio_as_aio(self.leave.wait)()

    @property
    def place(self) -> str:
        number = self.where if isinstance(self.where, int) else self.statements.index(self.where)
        return f"before {self.statements[number]} ({number})"


class Stepped:
    """A connection that stops where it is told to."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.stop = Stop()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.connection, name)
        if name not in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
            return method

        async def stepped(text: str, *arguments: object) -> Any:
            await self.stop.before(text)
            return await method(text, *arguments)

        return stepped


class SteppedPool(Pool):
    """A single connection, whose next call may be stopped. It counts the collisions, and hears from
    the server that it may wait for a lock; where it may not, it is asked again and again."""

    def __init__(self, url: str) -> None:
        super().__init__(url, 1, SharedLoop())
        self.stepped: Stepped | None = None
        self.collisions: list[str] = []
        self.stop = Stop()
        self.hears = self.may_wait = False

    async def connect(self) -> Any:
        connection = await super().connect()
        await connection.execute(UNLIMITED)
        if await connection.fetchval("select current_setting('is_superuser')") == "on":
            await connection.execute(TOLD_AT_ONCE)
            connection.add_log_listener(self._hear)
            self.hears = True
        self.stepped = Stepped(connection)
        self.stepped.stop = self.stop
        return self.stepped

    def _hear(self, _: Any, said: Any) -> None:
        self.may_wait = self.may_wait or " still waiting for " in said.message

    def stop_at(self, where: int | str) -> Stop:
        self.stop, self.may_wait = Stop(where), not self.hears
        if self.stepped:
            self.stepped.stop = self.stop
        return self.stop

    @property
    def pid(self) -> int:
        """Of the backend; 0 while there is none, after an outage."""
        if self.stepped is None or self.stepped.connection.is_closed():
            return 0
        pid: int = self.stepped.connection.get_server_pid()
        return pid

    async def _attempt(self, transaction: Any, single: bool) -> Any:
        try:
            return await super()._attempt(transaction, single)
        except COLLIDED as error:
            if not isinstance(error, asyncpg.InvalidCachedStatementError):
                self.collisions.append(type(error).__name__)
            raise


@dataclass
class Answer:
    """What a call gave or raised."""

    value: Any = None
    error: Exception | None = None
    ended: trio.Event = field(default_factory=trio.Event)

    async def of(self, call: Call, store: PostgresStore, over: trio.Event) -> None:
        try:
            self.value = await call(store)
        except Exception as error:
            self.error = error
        self.ended.set()
        over.set()


@dataclass
class Interleaved:
    """What became of two calls, the first stopped at `place` for the second."""

    place: str
    statements: list[str]  # of the first one
    blocked_at: int | None  # the statement at which the second waited for the first
    first: Answer
    second: Answer
    collisions: list[str]


@dataclass
class Stepper:
    """Two instances' stores, and an observer that sees whether one waits for the other."""

    first: PostgresStore
    second: PostgresStore
    observer: PostgresStore

    async def interleave(self, one: Call, other: Call, number: int) -> Interleaved | None:
        """Stop `one` before a statement, run `other` until it ends or blocks, go on with both.

        None: `one` has no such statement.
        """
        pools = [self.first.pool, self.second.pool]
        assert all(isinstance(pool, SteppedPool) for pool in pools)
        stop = pools[0].stop_at(number)
        passing = pools[1].stop_at(-1)
        for pool in pools:
            pool.collisions.clear()
        first, second = Answer(), Answer()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.of, one, self.first, stop.rests)
            await stop.rests.wait()
            if not stop.is_reached:
                return None
            nursery.start_soon(second.of, other, self.second, second.ended)
            await self.over_or_blocked(second, pools[1])
            blocked_at = None if second.ended.is_set() else len(passing.statements)
            stop.leave.set()
        collisions = pools[0].collisions + pools[1].collisions
        return Interleaved(stop.place, stop.statements, blocked_at, first, second, collisions)

    async def alone(self, call: Call) -> list[str]:
        """The statements of a call that nobody meets."""
        stop = self.first.pool.stop_at(-1)
        await Answer().of(call, self.first, stop.rests)
        return stop.statements

    async def over_or_blocked(self, answer: Answer, pool: SteppedPool) -> None:
        """Until a call has ended, or waits for the lock of another."""
        await self.set_or_blocked(answer.ended, pool)

    async def set_or_blocked(self, event: trio.Event, pool: SteppedPool) -> None:
        """Until an event of a call is set, or the call waits for the lock of another."""
        while True:
            with trio.move_on_after(LOOK):
                await event.wait()
            if event.is_set() or (pool.may_wait and await self._is_blocked(pool.pid)):
                return

    async def _is_blocked(self, pid: int) -> bool:
        async def ask(connection: Any) -> bool:
            return bool(await connection.fetchval(BLOCKED, pid))

        return await self.observer.pool.run(ask, single=True)
