"""Small worlds, each with rows that several methods of the store want at once.

Instances: the first and the second run; the third is held to be dead, and its beat is known.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from taskengine.model import Attempt, Began, Lane
from taskengine.policy import SYSTEM
from taskengine.store import Gate
from taskengine.testing.contract.dependencies import child_of, rerun
from taskengine.testing.contract.schedules import schedule
from taskengine.testing.contract.updates import BROKEN, PAUSED, QUEUED, change
from taskengine.testing.contract.world import (
    ONE,
    PAIR,
    TWO,
    World,
    at,
    definition,
    done,
    submission,
)
from tests.conftest import NOON

GATE = "http://gate.test"
FIRST, SECOND, DEAD = 1, 2, 3
PROCESS = uuid.UUID(int=3)  # of the dead
MEETING = definition([], [], [0, 1])  # two siblings and a task after them


@dataclass
class Scene:
    """What the actions need to know of a world."""

    jobs: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    holders: dict[str, int] = field(default_factory=dict)
    lanes: list[Lane] = field(default_factory=list)
    gates: list[Gate] = field(default_factory=list)
    # A child older than its parent: who locks both by id and who ends the parent block each other,
    # and the runner repeats one of them.
    crossed: bool = False

    async def take(self, world: World, instance: int, *names: str) -> None:
        """Claim a task for each name, and begin it."""
        for name in names:
            [attempt] = await world.claim(1, instance=instance)
            await world.record(Began(attempt.fence, NOON), instance=instance)
            self.attempts[name], self.holders[name] = attempt, instance


async def siblings(world: World) -> Scene:
    """A job with two tasks at work, one of them with the dead, and a task after them."""
    scene = Scene({"job": await world.start(MEETING, urls=[ONE])})
    await scene.take(world, FIRST, "a")
    await scene.take(world, DEAD, "b")
    return scene


async def twins(world: World) -> Scene:
    """The same with both on one instance, and a job that waits for its end."""
    scene = Scene({"job": await world.start(MEETING, urls=[ONE])})
    scene.jobs["child"] = await child_of(world, scene.jobs["job"])
    await scene.take(world, FIRST, "a", "b")
    return scene


async def cap(world: World) -> Scene:
    """Three slots, one of them reserved; two are taken; a high and two low jobs are queued."""
    await world.setting(SYSTEM, max_jobs=3, priority_slots=1)
    scene = Scene({"one": await world.start(priority=8, urls=[ONE])})
    scene.jobs["two"] = await world.start(priority=8)
    await scene.take(world, FIRST, "one")
    await scene.take(world, SECOND, "two")
    for name, priority in (("high", 2), ("low", 8), ("lower", 9)):
        [scene.jobs[name]] = await world.submit(submission(priority=priority))
    return scene


async def family(world: World) -> Scene:
    """Two parents at work, one of them with the dead; children of one and of both, a grandchild."""
    scene = Scene()
    for name in ("mother", "father"):
        scene.jobs[name] = await world.start(urls=[ONE])
    await scene.take(world, FIRST, "mother")
    await scene.take(world, DEAD, "father")
    mother, father = scene.jobs.values()
    scene.jobs["child"] = await child_of(world, mother, father, urls=[ONE])
    scene.jobs["sister"] = await child_of(world, mother)
    scene.jobs["grandchild"] = await child_of(world, scene.jobs["child"])
    await change(world, scene.jobs["sister"], PAUSED)
    return scene


async def told(world: World) -> Scene:
    """A parent that was broken, one child of which was told so; another parent is at work."""
    scene = Scene()
    for name in ("mother", "father"):
        scene.jobs[name] = await world.start(urls=[ONE])
    await scene.take(world, FIRST, "mother", "father")
    mother, father = scene.jobs.values()
    scene.jobs["first"] = await child_of(world, mother)
    scene.jobs["child"] = await child_of(world, mother, father, urls=[ONE])
    scene.jobs["sister"] = await child_of(world, mother)
    scene.jobs["late"] = await child_of(world, scene.jobs["child"])
    await change(world, scene.jobs["sister"], PAUSED)
    await world.store.change(mother, BROKEN, [], NOON)
    await world.store.cascade(NOON, 1)
    return scene


async def being_handed(world: World) -> Scene:
    """A parent that was run again while it worked: one child of two waits for the new one."""
    scene = Scene({"old": await world.start(urls=[ONE])}, crossed=True)
    await scene.take(world, FIRST, "old")
    scene.jobs["child"] = await child_of(world, scene.jobs["old"], urls=[ONE])
    scene.jobs["sister"] = await child_of(world, scene.jobs["old"])
    scene.jobs["new"] = await world.store.rerun(scene.jobs["old"], [], NOON)
    await world.store.cascade(NOON, 1)
    return scene


async def handed(world: World) -> Scene:
    """A parent that was run again while it worked: its child waits for a job younger than it."""
    scene = Scene({"old": await world.start(urls=[ONE])}, crossed=True)
    await scene.take(world, FIRST, "old")
    scene.jobs["child"] = await child_of(world, scene.jobs["old"])
    scene.jobs["new"] = await rerun(world, scene.jobs["old"])
    return scene


async def handed_on(world: World) -> Scene:
    """The same, when the new parent is at work."""
    scene = await handed(world)
    await world.record(done(scene.attempts["old"]))
    assert await world.admit() == 1
    await scene.take(world, FIRST, "new")
    return scene


async def paused(world: World) -> Scene:
    """One slot, free since its job was paused: a task of it works, one is held; another waits."""
    await world.setting(SYSTEM, max_jobs=1)
    scene = Scene({"job": await world.start(MEETING, urls=[ONE])})
    await scene.take(world, FIRST, "a")
    await change(world, scene.jobs["job"], PAUSED)
    [scene.jobs["other"]] = await world.submit(submission())
    return scene


async def resumed(world: World) -> Scene:
    """The same after the job was resumed: it is queued, and a task of it works."""
    scene = await paused(world)
    await change(world, scene.jobs["job"], QUEUED)
    return scene


async def ended(world: World) -> Scene:
    """A job that has completed, its callbacks delivered; one that was broken, its parent."""
    scene = Scene({"job": await world.start(urls=[ONE], idempotency_key="k", body_digest="d")})
    await scene.take(world, FIRST, "job")
    await world.record(done(scene.attempts["job"]))
    await world.deliver(*await world.lanes())
    [scene.jobs["broken"]] = await world.submit(submission())
    await change(world, scene.jobs["broken"], BROKEN)
    return scene


async def gated(world: World) -> Scene:
    """Jobs that wait for a gate that is being asked, for one that is not, for a time that came."""
    scene = Scene()
    [scene.jobs["asked"]] = await world.submit(submission(semaphore_url=GATE))
    gates, _ = await world.store.claim_gates(64, [], NOON, timedelta(seconds=60))
    scene.gates = list(gates)
    [scene.jobs["closed"]] = await world.submit(submission(semaphore_url=GATE))
    [scene.jobs["due"]] = await world.submit(submission(run_at=at(5)))
    return scene


async def outbox(world: World) -> Scene:
    """A job with two lanes, one in flight with the dead, one not, and a task at work."""
    scene = Scene({"job": await world.start(PAIR, urls=[ONE, TWO])})
    await scene.take(world, FIRST, "a", "b")
    await world.record(done(scene.attempts["a"]))
    lanes, _ = await world.store.claim_lanes(DEAD, 1, [], NOON)
    scene.lanes = list(lanes)
    return scene


async def ticking(world: World) -> Scene:
    """A schedule that is due, and the engine's own."""
    await world.store.put_schedule(schedule())
    await world.store.claim_ticks(NOON, timedelta(seconds=30))
    return Scene()


WORLDS: dict[str, Callable[[World], Awaitable[Scene]]] = {
    build.__name__: build
    for build in (
        siblings,
        twins,
        cap,
        family,
        told,
        being_handed,
        handed,
        handed_on,
        paused,
        resumed,
        ended,
        gated,
        outbox,
        ticking,
    )
}
