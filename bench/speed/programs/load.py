"""Load for an HTTP server: one request, many times, on connections that stay open.

A program of its own, with nothing but the standard library: a client that parses what it is
answered would measure itself. Run as `python load.py PORT livez|job NUMBER CONNECTIONS CLIENT KEY`;
prints JSON with the seconds that it took. Every answer has to be a 200.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

JOB = b'{"job": {"workflow": "noop"}, "parameters": {}}'


def request(what: str, client: str, key: str) -> bytes:
    """A request as it goes over the wire."""
    if what == "livez":
        return b"GET /livez HTTP/1.1\r\nhost: bench\r\n\r\n"
    head = (
        f"POST /job HTTP/1.1\r\nhost: bench\r\nclient: {client}\r\napi-key: {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(JOB)}\r\n\r\n"
    )
    return head.encode() + JOB


class Asker(asyncio.Protocol):
    """Asks again as soon as it is answered, as long as there is something left to ask."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        self._received = b""
        self._load.answered(is_good=head.startswith(b"HTTP/1.1 200"))
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._load.lost(self)

    def _ask(self) -> None:
        if self._load.next():
            self._transport.write(self._load.request)
        else:
            self._transport.close()


class Load:
    """So many requests."""

    def __init__(self, request: bytes, number: int) -> None:
        self.request = request
        self.left = self.unanswered = number
        self.failed = 0
        self.over = asyncio.Event()

    def next(self) -> bool:
        """Whether there is another one to send."""
        self.left -= 1
        return self.left >= 0

    def answered(self, *, is_good: bool) -> None:
        self.unanswered -= 1
        self.failed += not is_good
        if not self.unanswered:
            self.over.set()

    def lost(self, asker: Asker) -> None:
        """A connection has ended: with its last answer, or too early."""
        if self.left >= 0:
            self.failed += 1
            self.over.set()


async def main(port: str, what: str, number: str, connections: str, client: str, key: str) -> None:
    load = Load(request(what, client, key), int(number))
    loop, started = asyncio.get_running_loop(), time.perf_counter()
    for _ in range(int(connections)):
        await loop.create_connection(lambda: Asker(load), "127.0.0.1", int(port))
    await load.over.wait()
    seconds = time.perf_counter() - started
    if load.failed:
        sys.exit(f"{load.failed} requests failed")
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
