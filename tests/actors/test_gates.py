"""How many gates are asked at once, and how often (rule 28), by virtual times."""

from itertools import pairwise

import httpx
import trio

from taskengine.testing.virtual import instance, receiver, workflow


async def test_64_gates_are_asked_at_once(memory_store, autojump_clock):
    asked = []

    async def hang(request):
        asked.append(request.url.host)
        await trio.sleep_forever()

    http = httpx.AsyncClient(transport=httpx.MockTransport(hang))
    async with instance(memory_store, http=http) as engine:
        for number in range(70):
            await engine.submit(workflow("only"), semaphore_url=f"http://{number}.test/")
        await trio.sleep(9)
        assert len(asked) == len(set(asked)) == 64
        await trio.sleep(10)  # the first ones were given up
        assert len(set(asked)) == 70


async def test_a_closed_gate_is_asked_less_and_less_but_every_ten_minutes(
    memory_store, autojump_clock
):
    asked = []
    http = receiver(asked, lambda request: httpx.Response(503))
    async with instance(memory_store, http=http) as engine:
        await memory_store.put_setting("", "schedule_interval", "60")
        await engine.submit(workflow("only"), semaphore_url="http://gate.test/")
        await trio.sleep(3200)
    pauses = [round(after - before) for (before, _), (after, _) in pairwise(asked)]
    assert pauses[:6] == [60, 120, 240, 480, 600, 600]
    assert set(pauses[6:]) == {600}
