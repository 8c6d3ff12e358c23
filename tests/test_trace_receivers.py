"""A receiver of traces is told, and of what it answers only the status is read."""

import socket
import threading

from taskengine.traces.session import open_session

HEAD = b"HTTP/1.1 503 X\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_an_answer_without_end_is_left_unread():
    left = threading.Event()

    def answer():
        client, _ = listener.accept()
        with client:
            client.recv(65_536)
            client.sendall(HEAD)
            try:
                while True:
                    client.sendall(b"10000\r\n" + bytes(65_536) + b"\r\n")
            except OSError:
                left.set()

    with socket.create_server(("127.0.0.1", 0)) as listener, open_session() as session:
        threading.Thread(target=answer, daemon=True).start()
        told = session.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"spans", timeout=60)
        assert (told.status_code, told.headers["Retry-After"], told.content) == (503, "7", b"")
        assert left.wait(60)
