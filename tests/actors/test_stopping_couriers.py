"""Couriers of an engine that stops, by virtual times."""

import httpx
import trio

from taskengine.policy import SYSTEM
from taskengine.testing.virtual import instance, workflow

MANY = 300  # lanes, about ten times as many as are delivered at once


def slow(heard, ended, seconds):
    """Receivers that take their time, the first of them more of it."""

    async def answer(request):
        heard.append((request.headers["webhook-id"], trio.current_time()))
        await trio.sleep(seconds * (1 + (request.url.host < "11")))
        ended.append(request.headers["webhook-id"])
        return httpx.Response(200)

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def backlog(engine, store, jobs, flow):
    """Jobs that are over, with callbacks that nobody delivers yet."""
    await store.put_setting(SYSTEM, "max_jobs", "1000")
    for number in range(jobs):
        await engine.submit(flow, urls=(f"http://{number}.test/",))
    await trio.sleep(20)


async def test_a_stopping_engine_takes_no_more_lanes(memory_store, autojump_clock, monkeypatch):
    """Lanes end while the next are claimed, so that there is always room for more of them. None is
    cut, and so sent twice."""
    heard, ended, claim = [], [], memory_store.claim_lanes

    async def take_time(*arguments):
        await trio.sleep(0.3)
        return await claim(*arguments)

    monkeypatch.setattr(memory_store, "claim_lanes", take_time)
    async with instance(memory_store, callback=0, work=20) as engine:
        await backlog(engine, memory_store, MANY, workflow("only"))
    async with instance(memory_store, http=slow(heard, ended, 0.05)):
        await trio.sleep(1.5)
        stopped = trio.current_time()
    assert len(ended) == len(heard) < MANY * 2
    assert max(when for _, when in heard) < stopped + 1
    async with instance(memory_store, http=slow(heard, ended, 0.0)):
        await trio.sleep(30)
    assert len({key for key, _ in heard}) == len(heard) == MANY * 3


async def test_a_long_lane_ends_with_the_try_in_flight(memory_store, autojump_clock):
    heard, ended = [], []
    flow = workflow(*(f"task-{number}" for number in range(9)))
    async with instance(memory_store, callback=0) as engine:
        await backlog(engine, memory_store, 1, flow)
    async with instance(memory_store, http=slow(heard, ended, 3.0)):
        await trio.sleep(10)
    assert len(ended) == len(heard) == 2
    async with instance(memory_store, http=slow(heard, ended, 0.0)):
        await trio.sleep(30)
    assert len({key for key, _ in heard}) == len(heard) == 2 * 9 + 1
