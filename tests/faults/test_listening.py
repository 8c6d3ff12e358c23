"""The listening connection: one that hears nothing any more is found, and replaced."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio_asyncio

from taskengine.actors.notifier import Notifier
from taskengine.model import StoreUnavailable
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Deaf
from taskengine.store.postgres import open_postgres
from taskengine.store.postgres.notify import WAKE_PAUSE
from tests.faults.proxy import Refusal

SOON = 30.0  # seconds: silence, a trial, a pause, a connection, and a machine that is busy


async def announced(store, topic, condition):
    """Announce something again and again until a condition is true."""
    with trio.fail_after(SOON):
        while not condition():
            await store.announce([topic])
            await trio.sleep(0.05)


async def test_a_half_open_connection_is_found_and_replaced(proxy, direct_url):
    heard = []
    async with (
        trio_asyncio.open_loop(),
        open_postgres(direct_url) as peer,
        open_postgres(proxy.own_url) as store,
        trio.open_nursery() as nursery,
    ):
        with Mailbox(1) as mailbox:
            nursery.start_soon(partial(Notifier(store, heard.append).run, mailbox))
            await peer.join("peer", await peer.time())
            await announced(peer, "work", lambda: "work" in heard)
            proxy.hang()  # what is connected stays silent for ever
            proxy.resume()
            await announced(peer, "schedule", lambda: "schedule" in heard)
            nursery.cancel_scope.cancel()


async def test_a_storm_of_announcements_is_heard_as_a_few(proxy, direct_url):
    heard = []
    async with trio_asyncio.open_loop(), open_postgres(direct_url) as store:
        await store.join("me", await store.time())
        async with trio.open_nursery() as nursery, open_postgres(direct_url) as peer:
            await peer.join("peer", await peer.time())
            with Mailbox(1) as mailbox:
                nursery.start_soon(partial(Notifier(store, heard.append).run, mailbox))
                await announced(peer, "admission", lambda: heard)
                heard.clear()

                async def storm():
                    for _ in range(50):
                        await peer.announce(["work"])

                began = trio.current_time()
                async with trio.open_nursery() as storms:
                    for _ in range(4):
                        storms.start_soon(storm)
                await announced(peer, "stop", lambda: "stop" in heard)
                took = trio.current_time() - began
                nursery.cancel_scope.cancel()
    assert 1 <= heard.count("work") <= took / WAKE_PAUSE + 1


async def test_a_refused_listener_is_no_crash(proxy, direct_url):
    refusals = {"0A000": Deaf, "57P03": StoreUnavailable, "28P01": StoreUnavailable}
    async with trio_asyncio.open_loop(), open_postgres(proxy.own_url) as store:
        for code, outcome in refusals.items():
            proxy.refusal = Refusal(code, "LISTEN is not for you")
            store.pool.nature.pooled = code == "0A000"  # a pooler that knows what it cannot do
            with pytest.raises(outcome):
                async for _ in store.listen():
                    raise AssertionError("something was heard")
