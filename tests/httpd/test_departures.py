"""Clients that close a side, that leave, and that do not read; on real sockets."""

from __future__ import annotations

import socket
import ssl
import struct

import pytest
import trio

from taskengine.httpd.limits import ConnectionLimits
from taskengine.httpd.serving import Server
from tests.httpd.conftest import LARGE

ASK = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /job HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"


async def all_of(stream):
    text = b""
    while data := await stream.receive_some():
        text += data
    return text


async def until(condition):
    with trio.fail_after(30):
        while not condition():
            await trio.sleep(0.01)


@pytest.mark.parametrize("pause", [0, 0.005, 0.01, 0.02, 0.04])
@pytest.mark.parametrize("request_", [ASK % b"x", POST, ASK % b"sleep/0.02", ASK % b"1" + POST])
async def test_who_closes_the_sending_side_is_answered(open_server, app, pause, request_):
    address, _ = await open_server()
    for _ in range(20):
        async with await trio.open_tcp_stream(*address) as client:
            await client.send_all(request_)
            await trio.sleep(pause)
            await client.send_eof()
            text = await all_of(client)
            assert text.count(b"HTTP/1.1 200 ") == request_.count(b"HTTP/1.1")


async def test_one_who_closes_before_a_body_is_complete_is_told_so(open_server):
    address, _ = await open_server()
    async with await trio.open_tcp_stream(*address) as client:
        await client.send_all(POST[:-1])
        await client.send_eof()
        assert (await all_of(client)).startswith(b"HTTP/1.1 400 ")


async def test_half_a_client_is_not_waited_for_without_end(open_server, app):
    address, _ = await open_server(half_closed=0.05)
    async with await trio.open_tcp_stream(*address) as client:
        await client.send_all(ASK % b"wait")
        await client.send_eof()
        await all_of(client)
    assert app.departures == 1


async def test_a_reset_is_a_departure(open_server, app):
    address, server = await open_server()
    client = await trio.open_tcp_stream(*address)
    await client.send_all(ASK % b"wait")
    await until(lambda: app.asked)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()
    await until(lambda: app.departures == 1 and not len(server.places))


async def test_a_stream_of_events_ends_when_its_reader_closes(open_server, app):
    address, server = await open_server()
    client = await trio.open_tcp_stream(*address)
    await client.send_all(ASK % b"events")
    text = b""
    while not text.endswith(b":\n\r\n"):
        text += await client.receive_some()
    await client.aclose()
    await until(lambda: app.departures == 1 and not len(server.places))


@pytest.mark.parametrize("how_many", [1, 50])
async def test_who_does_not_read_is_dropped(open_server, app, how_many):
    """Also one with many requests: it gets no further than its first answer."""
    address, server = await open_server(stalled=0.2)
    client = await trio.open_tcp_stream(*address)
    await client.send_all((ASK % b"large") * how_many)
    await until(lambda: app.asked and not len(server.places))
    assert app.asked == ["/large"]
    with pytest.raises(trio.BrokenResourceError):
        await all_of(client)
    await client.aclose()


async def test_who_reads_hardly_is_dropped(open_server, app):
    address, server = await open_server(stalled=0.3, slowest=LARGE)
    client = trio.socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await client.connect(address)
    await client.send(ASK % b"large")
    start, read = trio.current_time(), 0
    with trio.fail_after(30), pytest.raises(OSError, match="reset"):
        while data := await client.recv(4096):
            read += len(data)
            await trio.sleep(0.01)
    assert trio.current_time() - start > 1
    assert 0 < read < LARGE
    client.close()
    await until(lambda: not len(server.places))


async def test_who_reads_slowly_gets_all(open_server):
    address, _ = await open_server(stalled=0.5)
    async with await trio.open_tcp_stream(*address) as client:
        await client.send_all(ASK % b"large")
        text = b""
        while len(text) < LARGE:
            text += await client.receive_some(1 << 20)
            await trio.sleep(0.01)
        assert text.endswith(b"x" * 100)


async def test_an_answer_to_one_who_sends_on_arrives(open_server, app):
    """An error ends the connection, but not before it was read."""
    address, _ = await open_server()
    async with await trio.open_tcp_stream(*address) as client:
        await client.send_all(b"nonsense\r\n\r\n" + b"x" * 500_000)
        assert (await all_of(client)).startswith(b"HTTP/1.1 400 ")


async def test_more_than_there_are_places_for_are_told_so(open_server, app):
    address, _ = await open_server(connections=2)
    busy = [await trio.open_tcp_stream(*address) for _ in range(2)]
    for client in busy:
        await client.send_all(ASK % b"wait")
    await until(lambda: len(app.asked) == 2)
    async with await trio.open_tcp_stream(*address) as client:
        await client.send_all(ASK % b"")
        text = await all_of(client)
        assert text.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nconnection: close\r\n" in text
        assert text.endswith(b'\r\n\r\n{"error": "too many connections"}')
    for client in busy:
        await client.aclose()


async def test_a_flood_of_idle_ones_keeps_nobody_out(open_server, app):
    address, server = await open_server(connections=20)
    flood = []
    for number in range(200):
        flood.append(await trio.open_tcp_stream(*address))
        await flood[-1].send_all(b"GET / HTTP/1.1\r\nX: ")
        if number % 20 == 0:
            async with await trio.open_tcp_stream(*address) as client:
                await client.send_all(ASK % b"mine")
                assert (await client.receive_some()).endswith(b"GET /mine  ")
        assert len(server.places) <= 20
    for client in flood:
        await trio.aclose_forcefully(client)
    await until(lambda: not len(server.places))


async def test_a_lack_of_descriptors_is_waited_out(open_server, app, monkeypatch, caplog):
    address, server = await open_server()
    idle = await trio.open_tcp_stream(*address)
    await until(lambda: len(server.places) == 1)
    real, failures = trio.SocketListener.accept, []

    async def accept(listener):
        if len(failures) < 20:
            failures.append(await trio.lowlevel.checkpoint())
            raise OSError(24, "Too many open files")
        return await real(listener)

    monkeypatch.setattr(trio.SocketListener, "accept", accept)
    monkeypatch.setattr("taskengine.httpd.serving.PAUSE", 0.01)
    other = await trio.open_tcp_stream(*address)  # for the real accept, which waits already
    async with await trio.open_tcp_stream(*address) as client:
        await client.send_all(ASK % b"later")
        assert (await client.receive_some()).endswith(b"GET /later  ")
    await other.aclose()
    assert len(failures) == 20
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Too many open files" in caplog.text
    assert await idle.receive_some() == b"", "its descriptor is wanted"
    await idle.aclose()


async def test_a_stop_lets_requests_end_and_no_others(open_server, app):
    address, server = await open_server(grace=30)
    idle, busy = [await trio.open_tcp_stream(*address) for _ in range(2)]
    await busy.send_all(ASK % b"sleep/0.2")
    await until(lambda: len(app.asked) == 1 and len(server.places) == 2)
    server.stop.set()
    assert await all_of(idle) == b""
    text = await all_of(busy)
    assert b"\r\nConnection: close\r\n" in text or b"\r\nconnection: close\r\n" in text
    assert text.endswith(b"GET /sleep/0.2  ")
    with pytest.raises(OSError, match="all attempts"):
        await trio.open_tcp_stream(*address)
    await idle.aclose()
    await busy.aclose()


async def test_a_stop_answers_what_has_just_arrived(open_server, app):
    address, server = await open_server()
    async with await trio.open_tcp_stream(*address) as client:
        await client.send_all(ASK % b"first")
        await client.receive_some()
        await trio.testing.wait_all_tasks_blocked()
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert await client.socket.send(ASK % b"second")  # and the server has not looked yet
        server.places.close()
        text = await all_of(client)
        assert text.endswith(b"GET /second  ")
        assert b"\r\nconnection: close\r\n" in text.lower()


async def test_a_stop_waits_for_nobody_who_does_not_read(app):
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(app, ConnectionLimits(grace=0.1))
    client = trio.socket.socket()
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, [listening])
        await client.connect(listening.getsockname())
        await client.send(ASK % b"large")
        await until(lambda: app.asked)
        start = trio.current_time()
        server.stop.set()
    assert trio.current_time() - start < ConnectionLimits().stalled / 2
    client.close()


async def test_a_handshake_has_its_time(app, nursery):
    listening = socket.create_server(("127.0.0.1", 0))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = Server(app, ConnectionLimits(head=0.2), tls)
    await nursery.start(server.serve, [listening])
    for sent in (b"", b"\x16\x03\x01", ASK % b"plain"):
        async with await trio.open_tcp_stream(*listening.getsockname()) as client:
            if sent:
                await client.send_all(sent)
            with trio.fail_after(20):
                assert b"HTTP" not in await all_of(client)
    await until(lambda: not len(server.places))
    assert app.asked == []


async def test_nothing_is_read_that_nobody_receives(nursery):
    """A body waits in the sockets, not in memory of the server."""

    async def app(scope, receive, send):
        await trio.sleep_forever()

    listening = socket.create_server(("127.0.0.1", 0))
    await nursery.start(Server(app).serve, [listening])
    async with await trio.open_tcp_stream(*listening.getsockname()) as client:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 67108864\r\n\r\n"
        with trio.move_on_after(0.5) as patience:
            await client.send_all(head + bytes(67108864))
        assert patience.cancelled_caught
    nursery.cancel_scope.cancel()


async def test_an_application_that_receives_nothing_serves_on(nursery):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    listening = socket.create_server(("127.0.0.1", 0))
    await nursery.start(Server(app).serve, [listening])
    async with await trio.open_tcp_stream(*listening.getsockname()) as client:
        for _ in range(3):
            await client.send_all(ASK % b"")
            assert (await client.receive_some()).startswith(b"HTTP/1.1 204 ")
    nursery.cancel_scope.cancel()
