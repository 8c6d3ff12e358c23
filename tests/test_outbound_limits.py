"""Calls that hang hold up no others, on loopback: neither connections nor look-ups run short."""

import socket
import threading
from contextlib import contextmanager

import pytest
import trio

from taskengine.outbound import open_outbound
from tests.test_outbound import AGES, LOOPBACK, Server, serving

ALL = 2 * 32 + 64 + 21  # lanes of couriers, gates, workers


async def test_receivers_that_hang_take_no_connection_from_others():
    silent = Server(b"")
    async with (
        serving(silent) as hanging,
        serving(Server()) as url,
        open_outbound(LOOPBACK, timeout=AGES) as client,
        trio.open_nursery() as nursery,
    ):
        for _ in range(ALL):
            nursery.start_soon(client.get, hanging)
        while len(silent.requests) < ALL:
            await trio.sleep(0.01)
        assert (await client.get(url, timeout=5)).text == "ok"
        nursery.cancel_scope.cancel()


@contextmanager
def silent_name_service(monkeypatch, asked):
    """It knows good.test, and answers about no other name; literal addresses are the system's."""
    real, over = socket.getaddrinfo, threading.Event()

    def look_up(host, *arguments, **more):
        if not isinstance(host, bytes):
            return real(host, *arguments, **more)
        asked.append(host)
        if host != b"good.test":
            over.wait(AGES)
        return real("127.0.0.1", *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        yield
    finally:
        over.set()


@pytest.mark.parametrize("host", ["good.test", "127.0.0.1"])
async def test_names_that_nobody_resolves_hold_up_no_others(monkeypatch, host):
    asked = []
    with silent_name_service(monkeypatch, asked):
        async with (
            serving(Server()) as url,
            open_outbound(LOOPBACK, timeout=AGES) as client,
            trio.open_nursery() as nursery,
        ):
            for number in range(ALL):
                nursery.start_soon(client.get, f"http://{number}.test/")
            while len(asked) < ALL:
                await trio.sleep(0.01)
            response = await client.get(url.replace("127.0.0.1", host), timeout=5)
            assert response.text == "ok"
            nursery.cancel_scope.cancel()
    assert asked[ALL:] == ([b"good.test"] if host == "good.test" else [])
