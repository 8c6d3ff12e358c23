"""Tasks that work until their test lets them go, however long everything else takes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

WORKFLOW = """
workflow: held
parameters:
  type: object
  required: [url]
  properties:
    url: {type: string}
tasks:
  - name: held
    action: http.request
    with: {url: "{{ url }}", timeout: 3600}
"""
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Hold:
    """A page that is answered from `let_go` on: who asked for it before waits."""

    listening: socket.socket

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}/"

    def let_go(self) -> None:
        threading.Thread(target=self._answer_all, daemon=True).start()

    def _answer_all(self) -> None:
        with suppress(OSError):  # closed: the test is over
            while True:
                self._answer(self.listening.accept()[0])

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # who asked is gone
            connection.recv(1 << 16)
            connection.sendall(ANSWER)


@contextmanager
def held() -> Iterator[Hold]:
    """What tasks of the workflow `held` wait for, by its `url`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        try:
            yield Hold(listening)
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # closing alone wakes no thread


def workflows_with_held(folder: Path) -> Path:
    """A folder of workflows for an engine, with the workflow `held`."""
    common = folder / "workflows" / "common"
    common.mkdir(parents=True, exist_ok=True)
    (common / "held.yaml").write_text(WORKFLOW)
    return folder / "workflows"
