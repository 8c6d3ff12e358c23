"""Methods of the store as actions on a world, each with what its answer promises."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from taskengine.model import Began, Delivery, Ended, JobState, LaneResult, Outcome, Written
from taskengine.policy import SYSTEM
from taskengine.schedules import Tick
from taskengine.store import GateAnswer
from taskengine.store.postgres import PostgresStore
from taskengine.testing.contract.schedules import schedule
from taskengine.testing.contract.world import ACTION, ONE, at, submission
from tests.interleaving.worlds import DEAD, FIRST, PROCESS, SECOND, Scene

NOW = at(10)
LEASE = timedelta(seconds=30)
LINES = ()
Act = Callable[[PostgresStore, Scene], Awaitable[Any]]


@dataclass(frozen=True)
class Action:
    """`sets` are the fields of a job that it changes; it `removes` jobs, changes `limits`, or acts
    by what it was `told` before: a fence, a beat, a tick."""

    name: str
    act: Act
    job: str | None = None
    sets: tuple[tuple[str, Any], ...] = ()
    removes: bool = False
    limits: bool = False
    told: bool = False


# Attempts


@dataclass(frozen=True)
class Told:
    """Records that were sent, and the answer."""

    ends: Sequence[Ended]
    stale: frozenset[Any]
    line: str  # that was written with each end


async def _end(
    outcome: Outcome, names: tuple[str, ...], store: PostgresStore, scene: Scene
) -> Told:
    ends, records, line = [], [], f"{outcome.value} with {names}"
    for name in names:
        fence = scene.attempts[name].fence
        result = json.dumps({"attempt": fence.attempt}) if outcome is Outcome.COMPLETED else None
        end = Ended(fence, NOW, outcome, result, "boom" if outcome is Outcome.FAILED else None)
        ends.append(end)
        records += [Written(fence, NOW, line), end]
    answer = await store.record(scene.holders[names[0]], records, NOW)
    return Told(ends, answer.stale, line)


def end(outcome: Outcome, *names: str) -> Action:
    verb = {"completed": "finish", "failed": "fail", "released": "release"}
    name = verb.get(outcome.value, outcome.value)
    return Action(f"{name}-{'-and-'.join(names)}", partial(_end, outcome, names), told=True)


finish, fail = partial(end, Outcome.COMPLETED), partial(end, Outcome.FAILED)
retry, release = partial(end, Outcome.RETRY), partial(end, Outcome.RELEASED)


def begin(name: str) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        fence = scene.attempts[name].fence
        return await store.record(scene.holders[name], [Began(fence, NOW)], NOW)

    return Action(f"begin-{name}", act, told=True)


# Jobs


def change(job: str, /, as_name: str, **changes: Any) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        return await store.change(scene.jobs[job], changes, LINES, NOW)

    sets = tuple((key, value) for key, value in changes.items() if key != "queue_state")
    return Action(f"{as_name}-{job}", act, job, sets)


def pause(job: str) -> Action:
    return change(job, "pause", queue_state=JobState.PAUSED)


def resume(job: str) -> Action:
    return change(job, "resume", queue_state=JobState.QUEUED)


def stop(job: str) -> Action:
    return change(job, "break", queue_state=JobState.BROKEN)


def rank(job: str, priority: int) -> Action:
    return change(job, f"priority-{priority}", priority=priority)


def time(job: str, seconds: int) -> Action:
    return change(job, f"run-at-{seconds}", run_at=at(seconds))


def gate(job: str, url: str | None) -> Action:
    return change(job, "other-gate" if url else "no-gate", semaphore_url=url)


def rerun(job: str) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        return await store.rerun(scene.jobs[job], LINES, NOW)

    return Action(f"rerun-{job}", act, job)


def submit(*parents: str, number: int = 1, **fields: Any) -> Action:
    """A batch of jobs that depend on others."""

    async def act(store: PostgresStore, scene: Scene) -> Any:
        tied = [scene.jobs[name] for name in parents]
        batch = [submission(depends_on=tied, urls=[ONE], **fields) for _ in range(number)]
        return list(await store.submit(batch, NOW))

    about = [*parents, *([f"batch-of-{number}"] if number > 1 else []), *fields]
    return Action("-".join(["submit", *about]), act)


async def _clear(store: PostgresStore, scene: Scene) -> Any:
    return await store.clear_old_jobs(at(9), 10)


async def _clear_one(store: PostgresStore, scene: Scene) -> Any:
    return await store.clear_old_jobs(at(9), 1)


# Instances


def beat(instance: int) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        return await store.beat(instance)

    return Action(f"beat-of-{instance}", act)


def leave(instance: int) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        return await store.leave(instance, NOW)

    return Action(f"leave-of-{instance}", act)


async def _rescue(store: PostgresStore, scene: Scene) -> Any:
    return await store.rescue(DEAD, 0, NOW)


async def _declare(store: PostgresStore, scene: Scene) -> Any:
    return await store.declare_dead(PROCESS)


async def _rescue_known(store: PostgresStore, scene: Scene) -> Any:
    return await store.rescue(DEAD, None, NOW)


async def _declare_and_rescue(store: PostgresStore, scene: Scene) -> Any:
    await store.declare_dead(PROCESS)
    return await store.rescue(DEAD, None, NOW)


async def _join(store: PostgresStore, scene: Scene) -> Any:
    return await store.join("late", NOW)


def claim(instance: int, limit: int = 10) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        given = (instance, "work", [ACTION], limit, uuid.uuid4(), NOW)
        claimed = await store.claim(*given)
        return [one.fence for one in claimed.attempts]

    return Action(f"claim-{limit}-by-{instance}", act)


def admit(limit: int = 500) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        return (await store.admit(FIRST, NOW, limit)).number

    return Action("admit" if limit == 500 else f"admit-{limit}", act)


async def _admit_newcomer(store: PostgresStore, scene: Scene) -> Any:
    """A job that goes before all others is submitted, and admitted at once."""
    await store.submit([submission(priority=1, top_of_queue=True)], NOW)
    return (await store.admit(SECOND, NOW)).number


RUNNING = "select count(*) from jobs where band is not null"


def setting(scope: str, name: str, value: int) -> Action:
    """Its answer is how many jobs run when the setting is in force."""

    async def act(store: PostgresStore, scene: Scene) -> Any:
        await store.put_setting(scope, name, str(value))
        return await store.pool.run(lambda one: one.fetchval(RUNNING), single=True)

    return Action(f"{name}-{value}-of-{scope or 'system'}", act, limits=True)


# The clock's work


async def _queue_due(store: PostgresStore, scene: Scene) -> Any:
    return await store.queue_due(NOW)


async def _claim_gates(store: PostgresStore, scene: Scene) -> Any:
    gates, _ = await store.claim_gates(64, [], NOW, LEASE)
    return [one.job_id for one in gates]


def answer(name: str, due_at: Any) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        return await store.answer_gates([GateAnswer(one, name, NOW, due_at) for one in scene.gates])

    return Action(f"gate-says-{name}", act, told=True)


async def _claim_ticks(store: PostgresStore, scene: Scene) -> Any:
    ticks, _ = await store.claim_ticks(at(200), LEASE)
    return [(one.schedule.name, one.at) for one in ticks]


async def _end_tick(store: PostgresStore, scene: Scene) -> Any:
    return await store.end_tick(Tick(schedule(), at(100)))


def activate(name: str, active: bool) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        client = "acme" if name == "nightly" else None
        return await store.activate(name, client, active, NOW)

    return Action(f"{'' if active else 'de'}activate-{name}", act)


async def _put_schedule(store: PostgresStore, scene: Scene) -> Any:
    return await store.put_schedule(schedule(every=50))


async def _remove_schedule(store: PostgresStore, scene: Scene) -> Any:
    return await store.remove_schedule("nightly", "acme")


# Callbacks


def lanes(instance: int) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        found, _ = await store.claim_lanes(instance, 10, [], NOW)
        return [one.id for one in found]

    return Action(f"lanes-by-{instance}", act)


def deliver(name: str, delivered: bool, due_at: Any = None) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        status, number = (200, None) if delivered else (500, 1)
        results = [
            LaneResult(
                lane.fence,
                [
                    Delivery(one.id, NOW, delivered, status, None, due_at)
                    for one in lane.callbacks[:number]
                ],
            )
            for lane in scene.lanes
            if lane.callbacks
        ]
        return await store.deliver(DEAD, results)

    return Action(f"deliver-{name}", act, told=True)


async def _release_lanes(store: PostgresStore, scene: Scene) -> Any:
    return await store.release_lanes(DEAD, [one.fence for one in scene.lanes], NOW)


async def _sweep(store: PostgresStore, scene: Scene) -> Any:
    return await store.sweep_edges(0, NOW)


async def _sweep_jobs(store: PostgresStore, scene: Scene) -> Any:
    return await store.sweep_jobs(0, NOW)


def cascade(limit: int) -> Action:
    async def act(store: PostgresStore, scene: Scene) -> Any:
        return await store.cascade(NOW, limit)

    return Action(f"cascade-{limit}", act)


FIRST_CALL = "select min(id) from callbacks"


async def _replay(store: PostgresStore, scene: Scene) -> Any:
    first = await store.pool.run(lambda one: one.fetchval(FIRST_CALL), single=True)
    await store.replay(first, NOW)
    return first


admit_newcomer = Action("admit-newcomer", _admit_newcomer)
rescue, join = Action("rescue", _rescue, told=True), Action("join", _join)
declare, rescue_known = Action("declare", _declare), Action("rescue-known", _rescue_known)
declare_and_rescue = Action("declare-and-rescue", _declare_and_rescue)
clear = Action("clear", _clear, removes=True)
queue_due, claim_gates = Action("queue-due", _queue_due), Action("claim-gates", _claim_gates)
claim_ticks = Action("claim-ticks", _claim_ticks)
end_tick = Action("end-tick", _end_tick, told=True)
put_schedule = Action("put-schedule", _put_schedule)
remove_schedule = Action("remove-schedule", _remove_schedule)
replay = Action("replay", _replay)
sweep, sweep_jobs = Action("sweep", _sweep), Action("sweep-jobs", _sweep_jobs)
release_lanes = Action("release-lanes", _release_lanes, told=True)
slots = setting(SYSTEM, "max_jobs", 1)
