"""Answers that go on for ever besides their body: no loop is held, and they are ended soon."""

from __future__ import annotations

import time

import httpx
import pytest
import trio
import trio.lowlevel

from taskengine.outbound import open_outbound, read_limited
from taskengine.receiving import FRAMING, HEAD, PER_BYTE
from tests.test_outbound import LOOPBACK, Server, serving

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
BLOCK = 64 << 10
LIMIT = 100_000  # of a body
HEADS = {
    "100": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "102": (b"", b"HTTP/1.1 102 Processing\r\nx-a: b\r\n\r\n"),
    "103": (b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"),
    "a header": (OK, b"x-header: y\r\n"),
    "a long line": (OK + b"x-header: ", b"y" * 1000),
    "no line": (b"", b"y" * 1000),
    "line ends": (b"", b"\r\n"),
}
BODIES = {
    "extensions": (CHUNKED, b"1;x=" + b"y" * 2000 + b"\r\nz\r\n"),
    "a long extension": (CHUNKED + b"1;x=", b"y" * 1000),
    "trailers": (CHUNKED + b"1\r\nz\r\n0\r\n", b"x-header: y\r\n"),
    "tiny chunks": (CHUNKED, b"1\r\nz\r\n"),
}


class Endless(Server):
    """Says the first part, then the other for ever; counts what it got rid of."""

    def __init__(self, first, again):
        super().__init__(first)
        self.block = again * (BLOCK // len(again))
        self.sent = 0

    async def _answer_all(self, stream):
        await stream.receive_some()
        await stream.send_all(self.answer[0])
        while True:
            await stream.send_all(self.block)
            self.sent += len(self.block)


async def lateness():
    """How long the loop was held, at most, in seconds of its thread: others use this machine."""
    worst = 0.0
    try:
        while True:
            before = time.thread_time()
            await trio.lowlevel.checkpoint()
            worst = max(worst, time.thread_time() - before)
    finally:
        assert worst < 0.2


async def fetched(server):
    async with (
        serving(server) as url,
        open_outbound(LOOPBACK, timeout=30) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(lateness)
        try:
            async with client.stream("GET", url) as response:
                return await read_limited(response, LIMIT)
        except httpx.RemoteProtocolError as error:
            return error
        finally:
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("name", HEADS)
async def test_a_head_ends(name):
    server = Endless(*HEADS[name])
    assert isinstance(await fetched(server), httpx.RemoteProtocolError)
    assert server.sent <= HEAD + 64 * BLOCK  # what the system's buffers hold


@pytest.mark.parametrize("name", ["extensions", "a long extension", "trailers"])
async def test_the_framing_of_a_body_ends(name):
    server = Endless(*BODIES[name])
    assert isinstance(await fetched(server), httpx.RemoteProtocolError)
    assert server.sent <= 2 * FRAMING + 64 * BLOCK


async def test_a_body_in_tiny_chunks_is_read_and_holds_no_loop():
    assert len(await fetched(Endless(*BODIES["tiny chunks"]))) == LIMIT
    assert PER_BYTE > 5


async def test_some_informational_answers_are_no_matter():
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100
    body = b"x" * (20 * LIMIT)
    head = OK + b"content-length: %d\r\n\r\n" % len(body)
    assert len(await fetched(Server(hints + head, body))) == LIMIT
