"""Examples of the state machines of the contract suite, with seeds of the search's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from taskengine.store.postgres import PostgresStore, open_postgres
from tests.contract.test_machine import Engine, Recurring, run

STEPS = (10, 150)  # of an example, from and to


@dataclass
class Machines:
    store: PostgresStore

    async def run(self, seed: int) -> None:
        """Raises what the shortest failing example raises, its steps in the notes."""
        random = Random(seed)
        machine = random.choice([Engine, Engine, Engine, Recurring])
        await run(machine, self.store, seed, stateful_step_count=random.randint(*STEPS))


@asynccontextmanager
async def open_machines(url: str) -> AsyncIterator[Machines]:
    async with open_postgres(url, connections=4) as store:
        yield Machines(store)
