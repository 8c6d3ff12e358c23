"""A server on loopback with a small application, and its connection on a stream in memory."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import memory_stream_pair

from taskengine.httpd.connection import HttpConnection
from taskengine.httpd.hypercorn_file import hypercorn_configuration
from taskengine.httpd.limits import ConnectionLimits
from taskengine.httpd.places import Places
from taskengine.httpd.serving import Server

LARGE = 8 << 20  # bytes of an answer: more than sockets hold


@dataclass
class Application:
    """It answers with the method, the path and the body that came; `asked` are all paths."""

    asked: list[str] = field(default_factory=list)
    departures: int = 0

    async def __call__(self, scope, receive, send):
        path = scope["path"]
        self.asked.append(path)
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        else:
            self.departures += 1
            return
        if path == "/wait":
            assert (await receive())["type"] == "http.disconnect"
            self.departures += 1
            return
        await trio.sleep(float(path[7:]) if path.startswith("/sleep/") else 0)
        text = f"{scope['method']} {path} {scope['query_string'].decode()} ".encode() + body
        text = b"x" * LARGE if path == "/large" else text
        kind = b"text/event-stream" if path == "/events" else b"text/plain"
        length = [] if path == "/events" else [(b"content-length", str(len(text)).encode())]
        headers = [(b"content-type", kind), *length]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if path == "/events":
            await send({"type": "http.response.body", "body": b":\n", "more_body": True})
            assert (await receive())["type"] == "http.disconnect"
            self.departures += 1
            return
        await send({"type": "http.response.body", "body": text})


@pytest.fixture
def app():
    return Application()


@dataclass
class Talk:
    """The client's end of a connection in memory, on virtual time."""

    stream: trio.StapledStream
    ended: trio.Event

    async def send(self, text):
        await self.stream.send_all(text if isinstance(text, bytes) else text.encode())

    async def rest(self):
        """All that comes until the server closes."""
        text = b""
        while data := await self.stream.receive_some():
            text += data
        return text

    async def some(self):
        return bytes(await self.stream.receive_some())


@dataclass
class Socket:
    """Of a connection in memory."""

    client: str
    family: int = socket.AF_INET

    def getpeername(self):
        return self.client, 5

    def getsockname(self):
        return "192.0.2.9", 80


@pytest.fixture
def open_talk(nursery, app):
    """Connect to the application; with the limits of the test."""

    async def open_talk(places=None, client="192.0.2.1", **limits):
        places = Places(ConnectionLimits(**limits)) if places is None else places
        near, far = memory_stream_pair()
        talk = Talk(near, trio.Event())
        far.socket = Socket(client)
        config = hypercorn_configuration(places.limits)
        connection = HttpConnection(app, config, places, far, client)

        async def serve():
            if places.take(connection):
                await connection.run()
                places.give_back(connection)
            await trio.aclose_forcefully(far)
            talk.ended.set()

        nursery.start_soon(serve)
        await trio.testing.wait_all_tasks_blocked()
        return talk

    return open_talk


@pytest.fixture
def open_server(nursery, app):
    """A server on a real socket; where it is, and the server."""

    async def open_server(**limits):
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        server = Server(app, ConnectionLimits(**limits))
        await nursery.start(server.serve, [listening])
        return listening.getsockname(), server

    return open_server
