"""The suite finds what it is for: each of these defects, put into a transaction, fails a case.

A defect is a statement written as it might have been, without a lock or a guard of
`docs/correctness.md`. The pairs beside it are those that have to notice.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from taskengine.store.postgres import advance, record
from taskengine.store.postgres.rows import SQL
from tests.interleaving.actions import Action
from tests.interleaving.cases import Cases
from tests.interleaving.pairs import ACTIONS
from tests.support.defects import following_one


@dataclass(frozen=True)
class Defect:
    """What is replaced in a statement, and the pair of a world that notices."""

    name: str
    statement: str
    old: str
    new: str
    world: str
    one: str
    other: str


LOCK = "for no key update"
DEFECTS = [
    Defect(*one.split(" | "))
    for one in (
        # Rule 1: counted under no lock, or chosen by what was read before it.
        f"admission locks no scope | lock_scopes | {LOCK} |  | cap | admit | admit-newcomer",
        "admission starts what was stopped | start_jobs"
        " | and j.state + 0 = 0 |  | cap | admit | break-high",
        "admission by an old priority | start_jobs"
        " | and j.priority = c.priority |  | cap | admit | priority-9-high",
        "a limit changes under no lock | lock_scope"
        f" | {LOCK} |  | cap | admit | max_jobs-1-of-system",
        # Rule 3: the holder is a row.
        "rescue without the beat | lock_instance"
        " | select beat | select 0::bigint as beat | siblings | rescue | beat-of-3",
        "rescue of whom nobody declared dead | lock_instance"
        " | beat, dead | beat, true as dead | siblings | rescue-known | finish-b",
        "rescue locks no instance | lock_instance | for update |  | siblings | rescue | beat-of-3",
        # Rule 11: what is decided from a job's state.
        f"an end locks no job | lock_jobs | {LOCK} |  | siblings | retry-a | pause-job",
        f"an update locks no job | lock_for_change | {LOCK} |  | siblings | pause-job | break-job",
        # Rule 12: edges.
        "parents are not locked | lock_parents"
        " | for share |  | family | submit-sister | break-sister",
        "a rerun keeps its edges | queue_cascades"
        " | is not null | is not null and false | family | rerun-mother | admit",
        f"a step locks no job | lock_family | {LOCK} |  | told | cascade-500 | rerun-child",
        # Rule 22: lanes.
        f"a lane for two | claim_lanes | {LOCK} of l skip locked |  | outbox"
        " | lanes-by-2 | lanes-by-1",
    )
]


def action(world: str, name: str) -> Action:
    [found] = [one for one in ACTIONS[world] if one.name == name]
    return found


async def noticed(cases, stepper, world, one, other):
    """What the cases of a pair tell."""
    pair = action(world, one), action(world, other)
    anew = Cases(scenes=cases.scenes)  # what was driven to its end was so by the right statements
    return [
        f"{place}: {problem}"
        async for place, found in anew.beside(stepper, world, *pair)
        for problem in found
    ]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name.replace(" ", "-"))
async def test_a_wrong_statement_is_noticed(cases, stepper, monkeypatch, defect):
    await cases.scene(stepper.observer, defect.world)
    assert defect.old in SQL[defect.statement]
    wrong = SQL[defect.statement].replace(defect.old, defect.new)
    monkeypatch.setitem(SQL, defect.statement, wrong)
    assert await noticed(cases, stepper, defect.world, defect.one, defect.other)


async def test_siblings_of_a_batch_that_count_as_one_are_noticed(cases, stepper, monkeypatch):
    await cases.scene(stepper.observer, "twins")
    monkeypatch.setattr(advance, "following", following_one)
    assert await noticed(cases, stepper, "twins", "finish-a-and-b", "claim-10-by-2")


async def test_an_end_without_the_fence_is_noticed(cases, stepper, monkeypatch):
    await cases.scene(stepper.observer, "siblings")
    lock_batch = record.lock_batch

    async def lock_any_batch(connection, fences, instance):
        batch = await lock_batch(connection, fences, instance)
        batch.held = set(batch.tasks)
        return batch

    monkeypatch.setattr(record, "lock_batch", lock_any_batch)
    assert await noticed(cases, stepper, "siblings", "rescue", "finish-b")
