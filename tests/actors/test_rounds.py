"""Receivers that answer quickly are served in rounds of lanes, on virtual time."""

from collections import Counter

import httpx
import trio

from taskengine.policy import SYSTEM
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import instance, workflow

URL = "http://receiver.test/"


class Counting(MemoryStore):
    """Remembers how many lanes each claim got, and which were given back."""

    def __init__(self):
        super().__init__()
        self.got, self.released = [], []

    async def claim_lanes(self, *given):
        lanes, next_due = await super().claim_lanes(*given)
        self.got.append(len(lanes))
        return lanes, next_due

    async def release_lanes(self, mine, lanes, now):
        self.released += lanes
        await super().release_lanes(mine, lanes, now)


class Receiver:
    """Answers after some seconds, and knows how many it answers at once."""

    def __init__(self, seconds):
        self.seconds, self.heard = seconds, []
        self.now = self.most = 0

    async def __call__(self, request):
        self.heard.append(request.headers["webhook-id"])
        self.now += 1
        self.most = max(self.most, self.now)
        await trio.sleep(self.seconds)
        self.now -= 1
        return httpx.Response(200)


async def jobs_for(engine, number):
    await engine.store.put_setting(SYSTEM, "max_jobs", "500")
    for _ in range(number):
        await engine.submit(workflow("only"), urls=(URL,))


async def test_a_quick_receiver_takes_few_claims_and_two_at_a_time(autojump_clock):
    store, receiver = Counting(), Receiver(0.01)
    http = httpx.AsyncClient(transport=httpx.MockTransport(receiver))
    async with instance(store, http=http, work=9) as engine:
        await jobs_for(engine, 100)
        await trio.sleep(60)
    assert max(Counter(receiver.heard).values()) == 1
    assert len(receiver.heard) == 300
    assert receiver.most == 2
    assert max(store.got) == 32
    assert not store.released


async def test_as_soon_as_a_receiver_is_slow_the_rest_of_its_rounds_is_given_back(autojump_clock):
    store, receiver = Counting(), Receiver(0.01)
    http = httpx.AsyncClient(transport=httpx.MockTransport(receiver))
    async with instance(store, http=http, work=9) as engine:
        await jobs_for(engine, 100)
        await trio.sleep(0.2)
        receiver.seconds = 3.0
        await trio.sleep(7)
        assert store.released
        receiver.seconds = 0.01
        await trio.sleep(600)
    assert len(set(receiver.heard)) == 300
    assert max(Counter(receiver.heard).values()) == 1
    assert receiver.most == 2
