"""What a store in memory cannot break: several instances at once on one database."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from random import Random

import pytest
import trio
import trio_asyncio

from taskengine.model import Began, Outcome
from taskengine.policy import SYSTEM
from taskengine.store import Dismissed
from taskengine.store.postgres import open_postgres
from taskengine.store.postgres.admit import admit
from taskengine.store.postgres.rows import SQL
from taskengine.testing.contract.world import (
    DIAMOND,
    ONE,
    PAIR,
    World,
    at,
    definition,
    done,
    failed,
    submission,
)
from tests.conftest import NOON
from tests.contract.recount import assert_counters_are_true, fetch

INSTANCES = 4


@asynccontextmanager
async def open_worlds(url, number=INSTANCES):
    """Instances, each with a pool of its own."""
    async with trio_asyncio.open_loop(), AsyncExitStack() as stack:
        worlds = []
        for _ in range(number):
            store = await stack.enter_async_context(open_postgres(url, connections=3))
            worlds.append(World(store.patient))
        first = await worlds[0].settle()
        for other in worlds[1:]:
            other.instance = await other.store.join("other", NOON)
        with trio.fail_after(60):
            yield worlds
        await assert_counters_are_true(first.store)


@pytest.fixture
async def worlds(database_url):
    async with open_worlds(database_url) as worlds:
        yield worlds


async def at_once(*children):
    async with trio.open_nursery() as nursery:
        for child in children:
            nursery.start_soon(child)


BANDS = """
select count(*) filter (where band = 0) as low, count(*) filter (where band = 1) as high from jobs
"""


async def test_concurrent_admissions_never_exceed_the_caps(worlds):
    """Rule 1: locks before reads. Rule 9 holds in every state that anybody can see."""
    first = worlds[0]
    await first.setting(SYSTEM, max_jobs=5, priority_slots=2)
    await first.setting("acme", max_jobs=3)
    random = Random(7)
    for _ in range(15):
        await first.submit(
            *(
                submission(client=random.choice(["acme", "beta"]), priority=random.randint(1, 10))
                for _ in range(10)
            )
        )
    left = 150

    async def work(world):
        nonlocal left
        while left:
            await world.admit(limit=3)
            attempts = await world.claim(2)
            if attempts:
                await world.record(*map(done, attempts))
                left -= len(attempts)

    async def watch():
        while left:
            [(low, high)] = await fetch(first.store, BANDS)
            assert low + high <= 5
            assert low + max(0, high - 2) <= 3
            own = "select count(*) from jobs where band is not null and client = 'acme'"
            assert (await fetch(first.store, own))[0][0] <= 3

    await at_once(watch, *(partial(work, world) for world in worlds))
    assert (await fetch(first.store, "select count(*) from tasks"))[0][0] == 150
    assert (await fetch(first.store, "select count(*) from jobs where state = 2"))[0][0] == 150


async def test_a_free_slot_is_used_though_another_admission_came_first(worlds):
    """The heads that the second has read are started when its turn comes."""
    first, second = worlds[:2]
    await first.setting(SYSTEM, max_jobs=2)
    await first.submit(submission(), submission())
    told = []

    async def admit_late(connection):
        await connection.execute("set local idle_in_transaction_session_timeout = 0")
        await connection.execute(SQL["lock_scopes"], [SYSTEM])
        while not await connection.fetchval("select count(*) from pg_locks where not granted"):
            await asyncio.sleep(0.01)
        told.append((await admit(connection, NOON, 1, 0)).number)

    async def admit_after():
        told.append(await second.admit())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.store.pool.run, admit_late)
        nursery.start_soon(admit_after)
    assert told == [1, 1]


async def test_concurrent_claims_of_instances_never_share_a_task(worlds):
    await worlds[0].submit(*(submission(PAIR) for _ in range(50)))
    await worlds[0].admit()
    taken = []

    async def claim(world):
        while attempts := await world.claim(3):
            assert len(attempts) <= 3
            taken.extend(one.task.id for one in attempts)

    await at_once(*(partial(claim, world) for world in worlds * 2))
    assert len(taken) == len(set(taken)) == 100


async def test_siblings_that_end_on_two_instances_let_their_successor_go_on_once(worlds):
    """Rule 11: each would see the other as working, and the task after them wait for ever."""
    for _ in range(10):
        first, second = worlds[:2]
        jobs = await first.submit(*(submission(DIAMOND, urls=[ONE]) for _ in range(4)))
        await first.admit()
        await first.record(*map(done, await first.claim()))
        ours, theirs = await first.claim(4), await second.claim(4)
        await at_once(
            partial(first.record, *map(done, ours)),
            partial(second.record, *map(done, theirs)),
        )
        for job_id in jobs:
            assert await first.states(job_id) == ["started", *["completed"] * 3, "queued"]
        ended = await first.record(*map(done, await first.claim()))
        assert sorted(ended.ended_jobs) == jobs


async def test_a_failure_beside_a_success_ends_the_job_once(worlds):
    plan = definition([], [], [1])
    for _ in range(10):
        first, second = worlds[:2]
        job_id = await first.start(plan, urls=[ONE])
        [one], [two] = await first.claim(1), await second.claim(1)
        told = []

        async def end(world, record, told=told):
            told.extend((await world.record(record)).ended_jobs)

        await at_once(partial(end, first, failed(one)), partial(end, second, done(two)))
        assert told == [job_id]
        assert await first.states(job_id) == ["completed", "failed", "completed", "cancelled"]
        assert sorted((await first.events())[ONE]) == ["complete", "end", "fail"]


async def test_a_claim_beside_a_rescue_leaves_nothing_with_the_dead(worlds):
    """Rule 3: the holder is a row."""
    alive, *others = worlds
    for dead in others:
        await alive.submit(*(submission() for _ in range(10)))
        await alive.admit()
        await dead.claim(3)
        beat = (await alive.store.beats())[dead.instance]
        dismissed = []

        async def claim(dead=dead, dismissed=dismissed):
            try:
                while await dead.claim(1):
                    pass
            except Dismissed:
                dismissed.append(dead)

        await at_once(claim, partial(alive.store.rescue, dead.instance, beat, at(1)))
        with pytest.raises(Dismissed):
            await dead.store.beat(dead.instance)
        held = await fetch(alive.store, "select holder from tasks where holder is not null")
        assert held == []
        attempts = await alive.claim(99, now=at(1))
        assert len(attempts) == 10
        await alive.record(*map(done, attempts))


async def test_a_submission_sent_twice_at_once_makes_one_job(worlds):
    batch = [submission() for _ in range(5)]
    ids = []

    async def submit(world):
        ids.append(tuple(await world.submit(*batch)))

    await at_once(*(partial(submit, world) for world in worlds))
    assert len(set(ids)) == 1
    assert (await fetch(worlds[0].store, "select count(*) from jobs"))[0][0] == 5


async def test_lanes_are_shared_out_and_each_event_is_heard_once_in_order(worlds):
    urls = [f"http://{host}.test/" for host in "abcdef"]
    jobs = await worlds[0].submit(*(submission(PAIR, urls=urls) for _ in range(4)))
    await worlds[0].admit()
    heard = []

    async def deliver(world):
        for _ in range(30):
            for lane in await world.lanes(at(9), limit=4):
                heard.extend((lane.id, one.number) for one in lane.callbacks)
                await world.deliver(lane, now=at(9))

    async def work(world):
        while attempts := await world.claim(1):
            await world.record(Began(attempts[0].fence, NOON))
            await world.record(done(attempts[0]))

    await at_once(*(partial(f, w) for w in worlds for f in (deliver, work)))
    await deliver(worlds[0])
    assert len(heard) == len(set(heard)) == len(jobs) * len(urls) * 5
    for lane_id in {lane_id for lane_id, _ in heard}:
        assert [number for lane, number in heard if lane == lane_id] == [1, 2, 3, 4, 5]


async def test_whatever_happens_at_once_nothing_is_lost(worlds):
    """Work, rescues and departures together: every job ends, and 2n + 1 calls are written."""
    jobs = []
    for _ in range(4):
        jobs += await worlds[0].submit(*(submission(DIAMOND, urls=[ONE]) for _ in range(5)))
    random, ended = Random(3), []

    async def work(world):
        while len(ended) < len(jobs):
            try:
                await world.admit()
                for attempt in await world.claim(3, now=at(1)):
                    began = Began(attempt.fence, NOON)
                    outcome = random.choice([Outcome.COMPLETED] * 4 + [Outcome.RELEASED])
                    end = done(attempt) if outcome is Outcome.COMPLETED else None
                    recorded = await world.record(began, *([end] if end else []))
                    ended.extend(recorded.ended_jobs)
                if random.random() < 0.1:
                    await world.store.leave(world.instance, at(1))
                    world.instance = await world.store.join("again", NOON)
            except Dismissed:
                world.instance = await world.store.join("again", NOON)

    async def rescue():
        while len(ended) < len(jobs):
            beats = await worlds[0].store.beats()
            victim = random.choice(sorted(beats))
            held = f"select max(rescues) from tasks where holder = {victim}"
            [(rescues,)] = await fetch(worlds[0].store, held)
            if (rescues or 0) < 4:
                await worlds[0].store.rescue(victim, beats[victim], at(1))
            await trio.sleep(0.02)

    await at_once(rescue, *(partial(work, world) for world in worlds))
    assert sorted(ended) == sorted(jobs)
    counted = (
        "select count(*) from callbacks as c join lanes as l on l.id = lane_id group by job_id"
    )
    assert set(await fetch(worlds[0].store, counted)) == {(9,)}


async def test_concurrent_submissions_with_one_key_make_one_job(worlds):
    """On several instances, whose batches hold the same keys in different orders."""
    ids = {number: set() for number in range(8)}
    random = Random(7)

    async def submit(world):
        for _ in range(10):
            keys = [random.choice(range(8)) for _ in range(20)]
            batch = [
                submission(idempotency_key=f"k{key}", body_digest=str(random.random()))
                for key in keys
            ]
            for key, job_id in zip(keys, await world.submit(*batch), strict=True):
                ids[key].add(job_id)

    await at_once(*(partial(submit, world) for world in worlds))
    assert [len(found) for found in ids.values()] == [1] * 8
    assert (await fetch(worlds[0].store, "select count(*) from jobs"))[0][0] == 8
    assert (await fetch(worlds[0].store, "select count(*) from job_data"))[0][0] == 8
