"""Connections of this process can be closed while something is sent to them."""

import socket

import pytest
import trio

from taskengine.api.sockets import hang_up


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


async def test_the_connection_of_one_client_is_closed_though_it_reads_nothing(listener, nursery):
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as idle:
        mine, _ = listener.accept()
        with socket.create_connection(("127.0.0.1", port)) as other:
            theirs, _ = listener.accept()
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(mine))
            ended = trio.Event()

            async def send():
                with trio.CancelScope(shield=True), pytest.raises(trio.BrokenResourceError):
                    while True:
                        await stream.send_all(b"x" * 65536)
                ended.set()

            nursery.start_soon(send)
            await trio.sleep(0.05)
            assert hang_up(port, idle.getsockname()) == 1
            with trio.fail_after(60):
                await ended.wait()
            theirs.sendall(b"still there")
            assert other.recv(100) == b"still there"
            theirs.close()
        await stream.aclose()


def test_all_connections_of_a_port_are_closed_and_no_other(listener):
    port = listener.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        ends = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        ends.append(socket.create_connection(elsewhere.getsockname()))
        accepted = [listener.accept()[0] for _ in range(3)] + [elsewhere.accept()[0]]
        assert hang_up(port) == 3
        assert [end.recv(1) for end in ends[:3]] == [b""] * 3
        accepted[-1].sendall(b"x")
        assert ends[-1].recv(1) == b"x"
        for one in (*ends, *accepted):
            one.close()
        assert hang_up(port) == 0
