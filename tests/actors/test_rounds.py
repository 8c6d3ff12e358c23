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


class Refusing:
    """Takes no connection for a while, and answers then."""

    def __init__(self):
        self.refuses, self.tried, self.heard = True, [], []

    async def __call__(self, request):
        if request.url.host != "receiver.test":
            return httpx.Response(200)
        if self.refuses:
            self.tried.append(request.headers["webhook-id"])
            raise httpx.ConnectError("Connection refused")
        self.heard.append(request.headers["webhook-id"])
        return httpx.Response(200)


async def backlog(store, number):
    """Jobs that are over, and whose callbacks nobody has sent."""
    async with instance(store, work=9, callback=0) as engine:
        await jobs_for(engine, number)
        await trio.sleep(60)


async def logs(store, number):
    return [[*await store.callbacks(job_id)] for job_id in range(1, number + 1)]


async def test_a_refused_connection_counts_for_all_lanes_of_its_round(autojump_clock):
    store, receiver = Counting(), Refusing()
    http = httpx.AsyncClient(transport=httpx.MockTransport(receiver))
    await backlog(store, 100)
    async with instance(store, http=http):
        await trio.sleep(1)
        first = {log[0].attempts for log in await logs(store, 100)}
        tried = len(receiver.tried)
        receiver.refuses = False
        await trio.sleep(60)
    assert first == {1}, "each lane has failed once, and has its own next try"
    assert tried < 20, "but few of them were tried"
    assert not store.released
    assert len(receiver.heard) == len(set(receiver.heard)) == 300


async def test_lanes_of_a_host_that_refuses_for_ever_die_in_their_own_time(
    autojump_clock, monkeypatch
):
    monkeypatch.setattr("taskengine.policy.CALLBACK_PAUSES", (5, 30))
    store, receiver = MemoryStore(), Refusing()
    http = httpx.AsyncClient(transport=httpx.MockTransport(receiver))
    await backlog(store, 40)
    async with instance(store, http=http):
        await trio.sleep(60)
    first = [log[0] for log in await logs(store, 40)]
    assert {(one.state, one.attempts) for one in first} == {("dead", 3)}
    assert len(receiver.tried) < 3 * 40


async def test_a_host_that_refuses_delays_no_other(autojump_clock):
    store, receiver = Counting(), Refusing()
    http = httpx.AsyncClient(transport=httpx.MockTransport(receiver))
    await backlog(store, 100)
    async with instance(store, http=http) as engine:
        other = await engine.submit(workflow("only"), urls=("http://other.test/",))
        await trio.sleep(1)
        log = [*await store.callbacks(other)]
    assert [one.state for one in log] == ["delivered"] * 3
