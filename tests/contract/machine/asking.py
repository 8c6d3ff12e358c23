"""Two stores that are asked the same; what one of them answers, the other one has to answer."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from taskengine.model import BadInput, NotFound
from taskengine.policy import SYSTEM
from taskengine.store import Dismissed
from taskengine.store.memory import MemoryStore
from taskengine.store.postgres import PostgresStore
from taskengine.testing.contract.world import World, at
from tests.contract.conftest import EMPTY
from tests.contract.recount import fetch

NEXT_AFTER = "select setval(pg_get_serial_sequence('jobs', 'id'), $1)"


class Refused(NamedTuple):
    """An answer too. Its words are a client's; those of Dismissed are nobody's."""

    kind: str
    words: str


class AllRules:
    """Which rules an example is made of."""

    def is_enabled(self, name: str) -> bool:
        return True


class Twins(RuleBasedStateMachine):
    """A store in memory and one in PostgreSQL, each in its world, and one clock for both.

    Its steps are not async: it lives in a thread of a trio run, which asks the stores.
    """

    def __init__(self, postgres: PostgresStore) -> None:
        super().__init__()
        # By itself Hypothesis leaves out some half of the rules in each example. Work gets on only
        # where submitting, claiming and telling come together.
        assert hasattr(self._rules_strategy, "enabled_rules_strategy")  # private to Hypothesis
        self._rules_strategy.enabled_rules_strategy = st.just(AllRules())
        self.seconds = 0
        self.instances: list[int] = []  # one on each host
        self.numbers = count(1)
        self.worlds = World(MemoryStore()), World(PostgresStore(postgres.pool))
        trio.from_thread.run(self._begin, postgres)

    async def _begin(self, postgres: PostgresStore) -> None:
        await postgres.pool.run(lambda one: one.execute(EMPTY), single=True)
        for world in self.worlds:
            await world.settle()
            await world.setting(SYSTEM, max_jobs=6)

    @property
    def now(self) -> datetime:
        return at(self.seconds)

    def in_(self, seconds: int | None) -> datetime | None:
        return None if seconds is None else at(self.seconds + seconds)

    def new_id(self) -> uuid.UUID:
        return uuid.UUID(int=next(self.numbers))

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds):
        self.seconds += seconds

    def each(self, method: str, *arguments: Sequence[Any]) -> list[Any]:
        """What either store answers to arguments of its own."""
        return trio.from_thread.run(self._each, method, arguments)

    async def _each(self, method: str, arguments: Sequence[Sequence[Any]]) -> list[Any]:
        return [
            await _answer(world.store, method, own)
            for world, own in zip(self.worlds, arguments, strict=True)
        ]

    def both(self, method: str, *arguments: Any) -> list[Any]:
        return self.each(method, arguments, arguments)

    def same(self, method: str, *arguments: Any) -> Any:
        memory, postgres = self.both(method, *arguments)
        assert memory == postgres
        return memory

    def close_gap(self, last_job: int) -> None:
        """The next job gets the same id from both: PostgreSQL leaves out one where a submission
        was known before."""
        trio.from_thread.run(fetch, self.worlds[1].store, NEXT_AFTER, last_job)

    def lines(self, job_id: int) -> None:
        memory, postgres = trio.from_thread.run(self._lines, job_id)
        assert memory == postgres

    async def _lines(self, job_id: int) -> list[Any]:
        return [await world.lines(job_id) for world in self.worlds]


async def _answer(store: Any, method: str, arguments: Sequence[Any]) -> Any:
    try:
        return await getattr(store, method)(*arguments)
    except (BadInput, NotFound) as refusal:
        return Refused(type(refusal).__name__, str(refusal))
    except Dismissed:
        return Refused("Dismissed", "")
