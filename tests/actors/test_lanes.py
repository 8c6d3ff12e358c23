"""Lanes whose courier was stopped, crashed, or never heard of them, by virtual times."""

import json
from datetime import timedelta

import httpx
import pytest
import trio

from taskengine.callbacks.retry_after import wished_pause
from taskengine.policy import SYSTEM
from taskengine.testing.virtual import instance, receiver, workflow
from tests.conftest import NOON

URL = "http://a.test/"
EVENTS = ["start", "complete", "end"]


def events(heard):
    return [json.loads(request.content).get("event", "end") for _, request in heard]


async def test_a_claim_whose_answer_was_lost_is_handed_back(memory_store, autojump_clock):
    heard = []
    async with instance(memory_store, http=receiver(heard), callback=0) as engine:
        await engine.submit(workflow("only"), urls=(URL,))
        await trio.sleep(1)
        mine = engine.engine.state.instance
        [lane], _ = await memory_store.claim_lanes(mine, 9, (), engine.now())
        await trio.sleep(11)
        [again], _ = await memory_store.claim_lanes(mine, 9, (), engine.now())
    assert (again.id, again.claim) == (lane.id, 2)
    assert heard == []


async def test_lanes_of_a_courier_that_crashed_are_handed_back(
    memory_store, autojump_clock, monkeypatch
):
    heard, deliver = [], memory_store.deliver

    async def crash(*_):
        monkeypatch.setattr(memory_store, "deliver", deliver)
        raise RuntimeError("a bug")

    monkeypatch.setattr(memory_store, "deliver", crash)
    async with instance(memory_store, http=receiver(heard)) as engine:
        await engine.submit(workflow("only"), urls=(URL,))
        await trio.sleep(30)
        [*log] = await memory_store.callbacks(1)
    sent, again = events(heard)[: -len(EVENTS)], events(heard)[-len(EVENTS) :]
    assert sent
    assert sent == EVENTS[: len(sent)], "as many as were written when it claimed the lane"
    assert again == EVENTS
    assert [one.state for one in log] == ["delivered"] * 3


async def test_a_courier_that_was_stopped_sends_nothing_before_its_next_beat(
    memory_store, autojump_clock
):
    """Peers may have declared it dead, and deliver what comes next themselves."""
    heard = []

    async def answer(request):
        heard.append((round(trio.current_time(), 3), request))
        if len(heard) == 1:  # as long as the instance is stopped
            state = engine.engine.state
            state.seen_alive(trio.current_time() - state.lease)
            [beat] = (await memory_store.beats()).values()
            await memory_store.rescue(state.instance, beat, engine.now())
        return httpx.Response(200)

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with instance(memory_store, http=http) as engine:
        await engine.submit(workflow("only"), urls=(URL,))
        await trio.sleep(30)
        [*log] = await memory_store.callbacks(1)
    assert events(heard) == ["start", *EVENTS]
    assert heard[1][0] >= 4
    assert [one.state for one in log] == ["delivered"] * 3


async def test_no_answer_of_a_receiver_crashes_its_courier(memory_store, autojump_clock, caplog):
    """In UTC this date is beyond the last one that there is."""
    heard, wish = [], {"retry-after": "Fri, 31 Dec 9999 23:59:59 -0100"}
    http = receiver(heard, lambda request: httpx.Response(503, headers=wish))
    async with instance(memory_store, http=http) as engine:
        await engine.submit(workflow("only"), urls=(URL,))
        await trio.sleep(20)
    assert len(heard) == 2  # with the first pause of all
    assert "crashed" not in caplog.text


async def test_a_courier_delivers_32_lanes_at_once(memory_store, autojump_clock):
    """Receivers that hang, each on a host of its own (rule 22)."""
    hanging = []

    async def answer(request):
        hanging.append(request.url.host)
        await trio.sleep_forever()

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with instance(memory_store, http=http, work=8) as engine:
        await memory_store.put_setting(SYSTEM, "max_jobs", "50")
        for number in range(40):
            await engine.submit(workflow("only"), urls=(f"http://{number}.test/",))
        await trio.sleep(10)
        assert len(hanging) == len(set(hanging)) == 32


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [
        (None, 0),
        ("100", 100),
        ("-100", 0),
        ("nan", 0),
        ("\N{SUPERSCRIPT TWO}", 0),
        ("Sat, 01 Feb 2031 12:01:00 GMT", 60),
        ("Sat, 01 Feb 2031 11:00:00 GMT", 0),
        ("Fri, 01 Feb 2332 12:00:00 GMT", 86_400),
        ("86401", 86_400),
        ("9" * 400, 86_400),
        ("9" * 5000, 86_400),
    ],
)
def test_a_receiver_may_ask_for_a_day_at_most(wish, seconds):
    """Else one absurd answer would stop its lane for years (rule 22)."""
    assert wished_pause(wish, NOON) == timedelta(seconds=seconds)
