"""A case: a world, two actions, and the statement before which the first is stopped."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from zlib import crc32

from taskengine.store.postgres import PostgresStore
from taskengine.testing.contract.world import World
from tests.conftest import NOON
from tests.contract.conftest import EMPTY
from tests.interleaving.actions import Action
from tests.interleaving.answers import broken_promises
from tests.interleaving.invariants import violations
from tests.interleaving.quiescence import drive, undelivered
from tests.interleaving.snapshots import State, keep, restore, run, state
from tests.interleaving.stepping import Interleaved, Stepper
from tests.interleaving.worlds import PROCESS, WORLDS, Scene

# A stop after a statement that writes what nobody sees before the commit, or touches only what the
# transaction has locked by then, is as good as the stop before it.
QUIET = (
    *("put_lines", "put_events", "put_results", "put_job_data", "put_lanes"),
    *("copy_job_data", "copy_lanes", "copy_edges", "hand_edges", "add_edges"),
    *(
        "change_job",
        "ask_anew",
        "free_slot",
        "place_jobs",
        "end_jobs",
        "close_tasks",
        "close_jobs",
        "close_edges",
    ),
    *("break_jobs", "break_for_rerun", "begin_tasks", "progress_tasks", "requeue_tasks"),
    *("end_tasks", "advance_tasks", "write_plan", "release_held", "count_edges", "open_tasks_of"),
    *("jobs_by_id", "data_by_id", "tasks_by_job", "parents_of", "definition", "queue_cascades"),
    *("end_cascades", "custom_data", "heirs_of", "recount_tasks", "still_stalled"),
    *("known_definitions", "clients_with_scopes", "lane_options"),
    *("deliver", "let_go_lanes", "is_marked", "next_lane", "next_due"),
)
# One in so many of the stops before the last is tried beside a method: where two that follow each
# other show what is wrong, one of them is.
EACH = 2
DRIVEN = 3  # of the states that are left one in so many is driven to its end
EXHAUSTIVE = os.environ.get("INTERLEAVING") == "all"


@dataclass
class Cases:
    """Runs cases in one database. Of the states that they leave a third is driven to its end, each
    once."""

    scenes: dict[str, Scene] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)
    stops: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # by world and action
    number: int = 0
    driven: int = 0

    async def scene(self, store: PostgresStore, name: str) -> Scene:
        if name not in self.scenes:
            await run(store, EMPTY)
            world = await World(store).settle()
            await store.join("second", NOON)
            await store.join("dead", NOON, 0.0, PROCESS)
            self.scenes[name] = await WORLDS[name](world)
            await keep(store, name)
        return self.scenes[name]

    async def beside(
        self, stepper: Stepper, name: str, one: Action, other: Action
    ) -> AsyncIterator[tuple[str, list[str]]]:
        """Where the first was stopped, and what is wrong with what came of it."""
        scene = await self.scene(stepper.observer, name)
        for number in await self._numbers(stepper, name, one, other):
            await restore(stepper.observer, name)
            told = await stepper.interleave(
                partial(one.act, scene=scene), partial(other.act, scene=scene), number
            )
            if told is None:
                return
            self.number += 1
            yield told.place, await self._look(stepper, name, scene, one, other, told)

    async def _numbers(
        self, stepper: Stepper, name: str, one: Action, other: Action
    ) -> Iterable[int]:
        """Before which statements the first is stopped; 0 is the begin."""
        if EXHAUSTIVE:
            return count(1)
        if (name, one.name) not in self.stops:
            await restore(stepper.observer, name)
            call = partial(one.act, scene=self.scenes[name])
            self.stops[name, one.name] = _stops(await stepper.alone(call))
        return _chosen(self.stops[name, one.name], one, other)

    async def _look(
        self,
        stepper: Stepper,
        name: str,
        scene: Scene,
        one: Action,
        other: Action,
        told: Interleaved,
    ) -> list[str]:
        found = await state(stepper.observer)
        cleared = one.removes or other.removes
        problems = broken_promises(scene, one, other, told, found)
        problems += violations(found, cleared=cleared)
        key = name, _course(found)
        if key in self.known or problems:
            return problems
        self.known.add(key)
        if not EXHAUSTIVE and crc32(key[1].encode()) % DRIVEN:
            return []
        self.driven += 1
        stuck = await drive(stepper.observer)
        last = await state(stepper.observer)
        return stuck + violations(last, cleared=cleared) + undelivered(last)


def _stops(statements: Sequence[str]) -> list[int]:
    """At which something new can happen."""
    last = len(statements) - 1
    return [
        number
        for number in range(1, len(statements))
        if number in (1, last) or statements[number - 1] not in QUIET
    ]


def _chosen(stops: Sequence[int], one: Action, other: Action) -> list[int]:
    """The last one, where all is written and locked that will be, and half of those before it,
    others with the next method; where it acts by what it was told before, the first one, too."""
    turn = crc32(f"{one.name} beside {other.name}".encode()) % EACH
    first = stops[:1] if one.told else []
    return sorted({*first, *stops[:-1][turn::EACH], *stops[-1:]})


# What comes of a state depends on these alone: not on what was told, on when, on how often it was
# tried, nor on limits, which are lifted before it is driven on. Of times, all of which have come by
# then, whether there is one.
COURSE = {
    "jobs": (
        *("id", "client", "state", "failed", "band", "open_tasks", "open_edges", "run_at"),
        *("semaphore_url", "gate_open", "digest", "rerun_as"),
    ),
    "tasks": ("job_id", "number", "state", "waits_for", "holder", "due_at"),
    "edges": ("parent", "child", "kind", "open"),
    "cascades": ("parent",),
    "lanes": ("job_id", "ordinal", "due_at", "holder", "dead"),
    "instances": ("id",),
}


def _course(found: State) -> str:
    """Equal for states that go on alike."""
    rows = {
        table: [[_of_course(name, row[name]) for name in names] for row in found[table]]
        for table, names in COURSE.items()
    }
    return json.dumps(rows)


def _of_course(name: str, value: object) -> object:
    return value is not None if name in ("due_at", "run_at") else value
