"""What goes wrong, at random: each fault is noted with its time, for the report."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import trio
from trio_asyncio import aio_as_trio

from tests.chaos.audit import connection_to, query_patiently
from tests.chaos.instances import Instance
from tests.chaos.rudeness import Rudeness
from tests.chaos.servers import Postgres

KILL, PAUSE, END = "kill", "pause", "end"
# Faults that are asked for by name.
KILLED = "kill -9 of an instance"
STOPPED = "instance stopped (SIGSTOP) for longer than its lease"
TERMINATED = "SIGTERM, restart"
CUT = "all connections cut"
DATABASE_KILLED = "PostgreSQL killed with -9"
HEAVY = "heavy documents"
POISON = "poison actions"
FAMILY = "a job stopped for which 600 wait"
FLOOD = "flood of 500 connections"
INSIDE = "instance stopped (SIGSTOP) inside a transaction, for longer than its lease"

TERMINATE = """select count(pg_terminate_backend(pid)) as n from pg_stat_activity
where application_name = 'taskengine'"""

# Who holds a transaction open and does nothing; who does so twice has been stopped there.
IDLE = """select pid, state_change from pg_stat_activity
where application_name = 'taskengine' and state = 'idle in transaction'"""
WARM_UP = 4.0  # seconds of load before the first fault
LOOKS = 300  # for a transaction to stop in


@dataclass(slots=True)
class Fault:
    """One fault: which processes it hit and how, and whether it took the database away."""

    name: str
    since: float  # Unix time
    how: str | None = None  # KILL, PAUSE, END
    processes: list[str] = field(default_factory=list)
    until: float | None = None


@dataclass(slots=True)
class Driver:
    """Makes one fault after the other, some of them side by side; one instance always lives,
    but for a power cut."""

    random: random.Random
    instances: list[Instance]
    postgres: Postgres
    rude: Rudeness
    valkey: Path  # the folder of its guard
    lease: float  # seconds
    say: Callable[[str], None]
    asked_for: list[str] = field(default_factory=list)  # those that come first, one by one
    bag: list[str] = field(default_factory=list)  # of those to come at random
    faults: list[Fault] = field(default_factory=list)

    @property
    def menu(self) -> dict[str, tuple[int, Callable[[str], Awaitable[None]]]]:
        """By name: how often, and what."""
        return {
            KILLED: (24, self._kill),
            STOPPED: (10, self._pause_long),
            INSIDE: (8, self._pause_inside),
            "instance stopped (SIGSTOP) for less than its lease": (6, self._pause_short),
            TERMINATED: (10, self._roll),
            "PostgreSQL restarted, immediate": (5, self._restart),
            DATABASE_KILLED: (4, self._kill_postgres),
            "PostgreSQL away for a while": (3, self._outage),
            "PostgreSQL hangs for a while": (3, self._freeze),
            "instance killed while PostgreSQL is away": (3, self._kill_in_outage),
            "everything killed at once": (2, self._power_cut),
            CUT: (6, self._cut),
            "Valkey killed with -9": (4, self._kill_valkey),
            HEAVY: (3, partial(self._rude, self.rude.heavy_documents)),
            POISON: (4, partial(self._rude, self.rude.poison)),
            FAMILY: (2, partial(self._rude, self.rude.large_family)),
            FLOOD: (3, self._flood),
        }

    async def run(self, seconds: float) -> None:
        """All that were asked for, more for so long; returns when all is up again."""
        until = trio.current_time() + seconds
        await trio.sleep(min(WARM_UP, seconds))
        async with trio.open_nursery() as nursery:
            while self.asked_for or trio.current_time() < until:
                nursery.start_soon(self._make, await self._next())
                for instance in self.instances:
                    if instance.is_free:
                        instance.check()
                with trio.move_on_at(until):
                    await trio.sleep(self.lease * self.random.uniform(0.2, 1.0))

    async def _next(self) -> str:
        """One that was asked for waits until it can be made."""
        if not self.asked_for:
            self.bag = self.bag or self._shuffled()
            return self.bag.pop()
        await trio.sleep(0.05)  # the one before it has what it takes
        while sum(one.is_free for one in self.instances) < 2 or not self.postgres.is_up:
            await trio.sleep(0.05)
        return self.asked_for.pop(0)

    def _shuffled(self) -> list[str]:
        """Each name once, and more of them by their weights, in random order."""
        names = list(self.menu)
        weights = [weight for weight, _ in self.menu.values()]
        drawn = [*names, *self.random.choices(names, weights, k=2 * len(names))]
        return self.random.sample(drawn, len(drawn))

    async def _make(self, name: str) -> None:
        await self.menu[name][1](name)

    @contextmanager
    def _fault(self, name: str, how: str | None = None, *hit: Instance) -> Iterator[None]:
        fault = Fault(name, time.time(), how, [one.process for one in hit])
        self.faults.append(fault)
        self.say(f"{name} {' '.join(fault.processes)}")
        yield
        fault.until = time.time()

    def _free(self) -> Instance | None:
        """An instance for a fault, as long as another one is left."""
        free = [one for one in self.instances if one.is_free]
        return self.random.choice(free) if len(free) > 1 else None

    async def _kill(self, name: str) -> None:
        if (instance := self._free()) is None:
            return
        with instance.taken():
            with self._fault(name, KILL, instance):
                instance.kill()
            await trio.sleep(self.lease * self.random.uniform(0.05, 1.5))
            instance.start()
            await instance.until_ready()

    async def _pause_long(self, name: str) -> None:
        await self._pause(name, self.random.uniform(1.25, 1.8))

    async def _pause_short(self, name: str) -> None:
        await self._pause(name, self.random.uniform(0.1, 0.7))

    async def _pause(self, name: str, leases: float) -> None:
        if (instance := self._free()) is None:
            return
        with instance.taken(), self._fault(name, PAUSE, instance):
            await instance.pause(leases * self.lease)
            await trio.sleep(1)

    async def _pause_inside(self, name: str) -> None:
        """Between two statements, with the locks of the first: they must not hold up the others."""
        if (instance := self._free()) is None:
            return
        with instance.taken():
            try:
                caught = await self._catch(instance)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                caught = False
            if caught:
                with self._fault(name, PAUSE, instance):
                    await instance.pause(self.random.uniform(1.25, 1.8) * self.lease)
                    await trio.sleep(1)
            else:
                instance.child.send_signal(signal.SIGCONT)

    async def _catch(self, instance: Instance) -> bool:
        """Stop it again and again, for a moment, until one of its transactions is open."""
        async with connection_to(self.postgres.url) as connection:
            for _ in range(LOOKS):
                instance.child.send_signal(signal.SIGSTOP)
                found = await _idle(connection)
                if found:
                    await trio.sleep(0.02)
                    if found & await _idle(connection):
                        return True
                instance.child.send_signal(signal.SIGCONT)
                await trio.sleep(0.01)
        return False

    async def _roll(self, name: str) -> None:
        if (instance := self._free()) is None:
            return
        with instance.taken():
            with self._fault(name, END, instance):
                await instance.terminate()
            instance.start()
            await instance.until_ready()

    async def _restart(self, name: str) -> None:
        await self._without_database(name, signal.SIGQUIT, 0)

    async def _kill_postgres(self, name: str) -> None:
        await self._without_database(name, signal.SIGKILL, 0)

    async def _outage(self, name: str) -> None:
        leases = self.random.choice((0.2, 0.5, 1.5))
        await self._without_database(name, signal.SIGINT, leases * self.lease)

    async def _without_database(self, name: str, how: signal.Signals, seconds: float) -> None:
        if not self.postgres.is_up:
            return
        with self._fault(name):
            await self.postgres.stop(how)
            await trio.sleep(seconds)
            await self.postgres.start()

    async def _freeze(self, name: str) -> None:
        if self.postgres.is_up:
            with self._fault(name):
                await self.postgres.freeze(self.lease * self.random.uniform(0.2, 0.6))

    async def _kill_in_outage(self, name: str) -> None:
        instance = self._free()
        if instance is None or not self.postgres.is_up:
            return
        with instance.taken():
            with self._fault(name, KILL, instance):
                await self.postgres.stop(signal.SIGQUIT)
                await trio.sleep(self.lease * 0.1)
                instance.kill()
                await trio.sleep(self.lease * 0.2)
                await self.postgres.start()
            instance.start()
            await instance.until_ready()

    async def _power_cut(self, name: str) -> None:
        """Only while no other fault is at work."""
        if not self.postgres.is_up or not all(one.is_free for one in self.instances):
            return
        with self._fault(name, KILL, *self.instances):
            since = time.time()
            for instance in self.instances:
                instance.is_free = False
                instance.kill()
            await self.postgres.stop(signal.SIGKILL)
            await self.postgres.start()
        for instance in self.instances:
            instance.start()
        for instance in self.instances:
            await instance.until_ready()
            instance.is_free = True
            instance.away.append((since, time.time()))

    async def _cut(self, name: str) -> None:
        if self.postgres.is_up:
            with self._fault(name):
                await query_patiently(self.postgres.url, TERMINATE)

    async def _kill_valkey(self, name: str) -> None:
        """Its guard starts it again, a few times; without it everything has to work as well."""
        address = self.valkey / "server.json"
        if address.exists():
            with self._fault(name):
                os.kill(json.loads(address.read_text())["pid"], signal.SIGKILL)

    async def _rude(self, act: Callable[[], Awaitable[None]], name: str) -> None:
        with self._fault(name):
            await act()

    async def _flood(self, name: str) -> None:
        if (instance := self._free()) is not None:
            with instance.taken(), self._fault(name):
                await self.rude.flood(instance)


async def _idle(connection: Any) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in await aio_as_trio(connection.fetch)(IDLE)}
