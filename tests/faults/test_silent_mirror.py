"""A mirror of the counters that takes connections and says nothing is told as such."""

import socket

import pytest
import trio_asyncio

from taskengine.counters import CountersUnavailable
from taskengine.counters import redis as mirrors


async def test_a_mirror_that_says_nothing_is_told_in_words(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        async with trio_asyncio.open_loop(), mirrors.open_redis(url) as counters:
            monkeypatch.setattr(mirrors, "REQUEST_DEADLINE", 0.05)  # before the driver's own
            with pytest.raises(CountersUnavailable, match="no answer"):
                await counters.withdraw(1)
