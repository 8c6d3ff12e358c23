"""A receiver of callbacks that answers at once, and checks their order.

A program of its own, with nothing but the standard library. Run as `python receiver.py`; prints the
port that it listens on. `GET /` is answered with JSON: how many callbacks came, and how many of
them came twice, out of their order or unsigned.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict

ORDER = ("start", "complete", "end")  # of a job with one task


class Book:
    """What came."""

    def __init__(self) -> None:
        self.received = 0
        self.wrong: Counter[str] = Counter()
        self._ids: set[bytes] = set()
        self._told: dict[tuple[bytes, str], int] = defaultdict(int)  # by URL and job

    def note(self, path: bytes, headers: dict[bytes, bytes], body: bytes) -> None:
        self.received += 1
        if (one := headers.get(b"webhook-id", b"")) in self._ids:
            self.wrong["twice"] += 1
        self._ids.add(one)
        if b"webhook-signature" not in headers:
            self.wrong["unsigned"] += 1
        content = json.loads(body)
        key = (path, content["job_id"])
        if content.get("event", "end") != ORDER[self._told[key]]:
            self.wrong["out of order"] += 1
        self._told[key] += 1

    @property
    def summary(self) -> bytes:
        return json.dumps({"received": self.received, "wrong": dict(self.wrong)}).encode()


class Receiver(asyncio.Protocol):
    def __init__(self, book: Book) -> None:
        self._book = book
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.split(b"\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(b":") for x in lines)
        }
        length = int(headers.get(b"content-length", 0))
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, path, _ = first.split(b" ")
        if method == b"POST":
            self._book.note(path, headers, rest[:length])
        body = b"" if method == b"POST" else self._book.summary
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )


async def main() -> None:
    book = Book()
    server = await asyncio.get_running_loop().create_server(
        lambda: Receiver(book), "127.0.0.1", backlog=200
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
