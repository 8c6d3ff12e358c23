"""Connections that were forgotten on the way, by a firewall say: nothing comes back on them."""

from __future__ import annotations

import pytest
import trio
import trio_asyncio

from taskengine.model import TooSlow
from taskengine.store.postgres import open_postgres


async def test_one_that_says_nothing_casts_doubt_on_all_that_idle(proxy):
    async with trio_asyncio.open_loop(), open_postgres(proxy.own_url) as store:
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(store._fetch, "time")
        proxy.hang()
        proxy.resume()
        with pytest.raises(TooSlow, match="no answer in"):
            await store.time()
        await store.time()  # on another one of them it would be too slow again
