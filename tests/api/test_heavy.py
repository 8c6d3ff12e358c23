"""Large documents have room and workers, of which one client never takes all."""

from __future__ import annotations

import pytest
import trio

from taskengine.api import heavy
from taskengine.api.heavy import MAX_BYTES, REQUEST_DEADLINE, SHARE, Busy, Heavy

TAKES = 5  # seconds of one call


async def test_there_is_so_much_room(autojump_clock):
    room, order = Heavy(), []

    async def hold(client, size, seconds=10):
        async with room.room(client, size):
            order.append((client, trio.current_time() - start))
            await trio.sleep(seconds)

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for client, size in (("a", SHARE), ("a", 1), ("b", SHARE), ("c", 1)):
            nursery.start_soon(hold, client, size)
            await trio.testing.wait_all_tasks_blocked()
    assert sorted(order) == [("a", 0), ("a", 10), ("b", 0), ("c", 10)]
    async with room.room("a", SHARE), room.room("b", MAX_BYTES - SHARE):
        with pytest.raises(Busy):
            await hold("c", 1)
    await hold("c", SHARE, 0)
    assert room._taken == {}


async def test_clients_take_turns(autojump_clock):
    workers, ended = trio.CapacityLimiter(2), []

    async def aside(function, *args):
        async with workers:
            await trio.sleep(TAKES)
        return function(*args)

    shared = Heavy(aside)

    async def ask(client):
        await shared.run(client, str)
        ended.append((client, trio.current_time() - start))

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask, "many")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, "one")
    assert ("one", TAKES) in ended
    assert [at for client, at in ended if client == "many"] == [TAKES * n for n in range(1, 6)]
    assert shared._turns == {}


async def test_who_waits_too_long_is_told_so(autojump_clock):
    async def never(function, *args):
        await trio.sleep_forever()

    shared = Heavy(never)
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(3):

            async def ask():
                with pytest.raises(Busy):
                    await shared.run("a", str)

            nursery.start_soon(ask)
    assert trio.current_time() - start == REQUEST_DEADLINE
    assert shared._turns == {}


async def test_the_answer_to_who_waits_too_long_is_a_503(api, body, autojump_clock):
    async def never(function, *args):
        await trio.sleep_forever()

    busy = api.with_(heavy=Heavy(never))
    answer = await busy.post("/job", body(custom_data=[[]] * 5000))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "large documents" in (await answer.get_json())["error"]
    batch = [body(), body(custom_data="x" * 900_000)]
    assert (await busy.post("/jobs/batch", batch)).status_code == 503
    assert heavy.REQUEST_DEADLINE == REQUEST_DEADLINE
