"""Bounds for what an address that users give answers, from the first byte on.

Whoever reads an answer bounds its body and its time. Before a body come as many informational
answers as the other side likes, and within it the framing of chunks; what parses both takes in all
that one reading gave before the loop goes on.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Any

import httpcore

HEAD = 64 << 10  # bytes before an answer's body, informational answers among them
FRAMING = 1 << 20  # bytes of a body's framing; besides what is in proportion to the body
PER_BYTE = 16  # bytes of framing for one of the body: "1\r\nx\r\n" has five
HEAD_READING = 4 << 10  # bytes read at once: of small answers one has a hundred thousand
BODY_READING = 16 << 10  # of a body in chunks, whose framing is parsed at once
PLAIN_READING = 512 << 10  # of one whose length its head has told: there is nothing to parse
TOGETHER = 16 << 10  # bytes of a request that may wait for the rest of it


class BoundedStream(httpcore.AsyncNetworkStream):
    """A connection whose answers are bounded, one after the other. Head and body of a small request
    leave together, when its answer is asked for: most are smaller than what a second sending
    costs."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left, self._at_once = HEAD, HEAD_READING
        self._held = b""  # of the request, and
        self._patience: float | None = None  # for how long to send it

    def body_begins(self, *, is_plain: bool) -> None:
        """The head is complete; `is_plain`: nothing but the body follows."""
        self._left, self._at_once = FRAMING, PLAIN_READING if is_plain else BODY_READING

    def was_body(self, size: int) -> None:
        """So many bytes of what was read were of the body itself."""
        self._left += size * (1 + PER_BYTE)

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> bytes:
        if self._left <= 0:
            raise httpcore.RemoteProtocolError("the answer has too much besides its body")
        if self._held:
            with suppress(httpcore.WriteError):  # it may have been answered before its end
                await self._send()
        # What reads a plain body takes as much as there is, whatever it asks for: each turn through
        # all layers costs as much as some 100 KiB.
        is_plain = self._at_once == PLAIN_READING
        most = self._at_once if is_plain else min(max_bytes, self._at_once)
        data = await self._stream.read(most, timeout)
        self._left -= len(data)
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> None:
        self._left, self._at_once = HEAD, HEAD_READING  # another request, another answer
        self._held += buffer
        self._patience = timeout
        if len(self._held) > TOGETHER:
            await self._send()

    async def _send(self) -> None:
        held, self._held = self._held, b""
        await self._stream.write(held, self._patience)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        inner = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return BoundedStream(inner)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def bounded(answer: httpcore.Response) -> BoundedStream | None:
    """The connection of an answer whose head has come; None where it became something else."""
    stream = answer.extensions.get("network_stream")
    if not isinstance(stream, BoundedStream):
        return None
    names = {name.lower() for name, _ in answer.headers}
    stream.body_begins(is_plain=b"content-length" in names and b"transfer-encoding" not in names)
    return stream
