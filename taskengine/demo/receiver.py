"""A receiver of callbacks, as a client of the engine would run one."""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11
import trio

from taskengine.callbacks import signing
from taskengine.model import JsonObject

PATHS = ("/first", "/second")
MAX_BODY = 4 << 20
IDLE = 120.0  # seconds for which a connection may be silent


@dataclass(frozen=True, slots=True)
class ReceivedCallback:
    """A callback that arrived."""

    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> JsonObject:
        found: JsonObject = json.loads(self.raw)
        return found

    def is_signed(self, secret: str) -> bool:
        name, stamp = self.headers.get("webhook-id", ""), self.headers.get("webhook-timestamp", "")
        if not stamp.isdigit():
            return False
        wanted = signing.signature(secret, name, int(stamp), self.raw)
        return hmac.compare_digest(wanted, self.headers.get("webhook-signature", ""))


@dataclass(slots=True)
class Receiver:
    """Keeps every callback; one that is delivered again is known by its `webhook-id`."""

    port: int
    calls: dict[tuple[str, str], ReceivedCallback] = field(
        default_factory=dict
    )  # by path and webhook-id
    _changed: trio.Event = field(default_factory=trio.Event)

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{self.port}{path}" for path in PATHS]

    def of_job(self, job_id: int, path: str) -> list[ReceivedCallback]:
        """In the order of their arrival."""
        return [
            c for c in self.calls.values() if c.path == path and c.body["job_id"] == str(job_id)
        ]

    def keep(self, call: ReceivedCallback) -> None:
        self.calls.setdefault((call.path, call.headers.get("webhook-id", "")), call)
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, job_id: int, number: int) -> None:
        """Wait until each URL has heard so much of a job."""
        while any(len(self.of_job(job_id, path)) < number for path in PATHS):
            await self._changed.wait()


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    """Listen on a free port for the length of the block."""
    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        receiver = Receiver(listener.socket.getsockname()[1])

        async def serve(stream: trio.SocketStream) -> None:
            async with stream:
                await _converse(stream, receiver)

        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield receiver
        nursery.cancel_scope.cancel()


async def _converse(stream: trio.SocketStream, receiver: Receiver) -> None:
    """Answer one request after the other; whoever speaks no HTTP is hung up on."""
    connection = h11.Connection(h11.SERVER)
    try:
        while (call := await _next_call(stream, connection)) is not None:
            receiver.keep(call)
            answer = h11.Response(status_code=200, headers=[("content-length", "0")])
            data = connection.send(answer) + connection.send(h11.EndOfMessage())
            await stream.send_all(data)
            connection.start_next_cycle()
    except (h11.ProtocolError, trio.BrokenResourceError, trio.TooSlowError):
        return


async def _next_call(
    stream: trio.SocketStream, connection: h11.Connection
) -> ReceivedCallback | None:
    request: h11.Request | None = None
    body = bytearray()
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                with trio.fail_after(IDLE):
                    connection.receive_data(await stream.receive_some())
            case h11.Request() as request:
                pass
            case h11.Data(data=data) if len(body) < MAX_BODY:
                body += data
            case h11.EndOfMessage() if request is not None:
                headers = {name.decode(): value.decode() for name, value in request.headers}
                return ReceivedCallback(request.target.decode(), headers, bytes(body))
            case _:  # the end of the connection
                return None
