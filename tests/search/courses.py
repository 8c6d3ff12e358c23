"""Random courses of interleaved transactions.

The suite in `tests/interleaving` tries every pair of methods, each from a world as it was built. A
course goes further: it leads the world somewhere first, and then up to three methods meet, each
stopped before a statement or not, and let go in any order; and all of it a few times over.
Afterwards every invariant holds, and the world comes to its end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random

import pytest
import trio

from taskengine.store.postgres import PostgresStore
from tests.interleaving.actions import Action
from tests.interleaving.answers import EXPECTED
from tests.interleaving.cases import Cases
from tests.interleaving.invariants import over_the_limits, violations
from tests.interleaving.pairs import ACTIONS
from tests.interleaving.quiescence import drive, undelivered
from tests.interleaving.snapshots import restore, state
from tests.interleaving.stepping import Answer, SteppedPool, Stepper, lift_limits
from tests.interleaving.worlds import FIRST, SECOND, Scene

WAY = 5  # actions at most that lead somewhere, before any meet; half of the courses have none
MEETINGS = 3  # at most
STATEMENTS = 10  # few transactions have more; 0 is the begin
WRITERS = ([FIRST], [SECOND], [FIRST])  # whose counters the three change


class Broken(AssertionError):
    """What a course left behind, and how it went."""


@dataclass
class Courses:
    stores: Sequence[PostgresStore]  # of those who meet
    observer: PostgresStore
    cases: Cases = field(default_factory=Cases)

    async def run(self, seed: int) -> None:
        """Raises Broken."""
        random = Random(seed)
        world = random.choice(sorted(ACTIONS))
        scene = await self.cases.scene(self.observer, world)
        await restore(self.observer, world)
        course = _Course(random, self.stores, self.observer, scene, ACTIONS[world])
        problems = await course.run()
        if not problems:
            problems = await drive(self.observer)
            last = await state(self.observer)
            problems += violations(last, cleared=course.is_cleared) + undelivered(last)
        if problems:
            raise Broken("\n".join([f"in the world {world}:", *course.told, *problems]))


@dataclass
class _Course:
    random: Random
    stores: Sequence[PostgresStore]
    observer: PostgresStore
    scene: Scene
    actions: Sequence[Action]
    told: list[str] = field(default_factory=list)
    is_cleared: bool = False
    is_limited: bool = False

    async def run(self) -> list[str]:
        """What is wrong with the state that it leaves."""
        for _ in range(max(0, self.random.randint(-WAY, WAY))):
            await self._meet([self.random.choice(self.actions)], [-1])
        for _ in range(self.random.randint(1, MEETINGS)):
            chosen = self.random.choices(self.actions, k=self.random.randint(2, len(self.stores)))
            stops = [self._stop(is_first=place == 0) for place in range(len(chosen))]
            if problems := await self._meet(chosen, stops):
                return problems
        return []

    def _stop(self, *, is_first: bool) -> int:
        """Before which statement; -1: none."""
        is_stopped = is_first or self.random.random() < 0.5
        return self.random.randint(1, STATEMENTS) if is_stopped else -1

    async def _meet(self, chosen: Sequence[Action], stops: Sequence[int]) -> list[str]:
        """Start one after the other, each until it is stopped, blocked or over; let go of all."""
        self.told.append(", ".join(f"{a.name} ({s})" for a, s in zip(chosen, stops, strict=True)))
        self.is_cleared |= any(one.removes for one in chosen)
        self.is_limited |= any(one.limits for one in chosen)
        answers = [Answer() for _ in chosen]
        pools = [one.pool for one in self.stores]
        marks = [pool.stop_at(where) for pool, where in zip(pools, stops, strict=False)]
        async with trio.open_nursery() as nursery:
            for action, answer, store, mark in zip(
                chosen, answers, self.stores, marks, strict=False
            ):
                call = partial(action.act, scene=self.scene)
                nursery.start_soon(answer.of, call, store, mark.rests)
                await self._rests(mark.rests, store.pool)
            for mark in self.random.sample(marks, len(marks)):
                mark.leave.set()
        errors = [one.error for one in answers if one.error is not None]
        found = await state(self.observer)
        problems = [repr(one) for one in errors if not isinstance(one, EXPECTED)]
        problems += violations(found, cleared=self.is_cleared)
        return problems + ([] if self.is_limited else over_the_limits(found))

    async def _rests(self, rests: trio.Event, pool: SteppedPool) -> None:
        stepper = Stepper(self.stores[0], self.stores[1], self.observer)
        await stepper.set_or_blocked(rests, pool)


@asynccontextmanager
async def open_courses(url: str) -> AsyncIterator[Courses]:
    """On a migrated database, for the length of the block; a transaction may stand still."""
    async with AsyncExitStack() as stack:
        lift_limits(stack.enter_context(pytest.MonkeyPatch.context()))
        pools = [SteppedPool(url) for _ in range(len(WRITERS) + 1)]
        for pool in pools:
            stack.callback(pool.close)
        writers = (*WRITERS, [])
        stores = [PostgresStore(pool, False, own) for pool, own in zip(pools, writers, strict=True)]
        for store in stores:
            await store.time()
        yield Courses(stores[:-1], stores[-1])
