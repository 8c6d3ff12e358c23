"""Hanging up on connections that nobody reads: the server would not stop sending to them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

Peer = tuple[str, int]


def hang_up(port: int, client: Peer | None = None) -> int:
    """Close the connections that a port of this process has, or the one with a client; how many."""
    found = [one for one in _connections() if _is_of(one, port, client)]
    for connection in found:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    return len(found)


def _connections() -> Iterator[socket.socket]:
    """A copy of each socket of this process, for the caller to close."""
    seen = set[str]()  # a copy may get the number of a file that is listed too
    for file in [*Path("/proc/self/fd").iterdir()]:
        with suppress(OSError):
            name = file.readlink().name
            if name.startswith("socket:") and name not in seen:
                seen.add(name)
                yield socket.socket(fileno=os.dup(int(file.name)))


def _is_of(connection: socket.socket, port: int, client: Peer | None) -> bool:
    """Whether it is a connection that this process has accepted there."""
    with suppress(OSError):
        is_inet = connection.family in (socket.AF_INET, socket.AF_INET6)
        if is_inet and connection.getsockname()[1] == port:
            peer = connection.getpeername()[:2]
            if client in (None, peer):
                return True
    connection.close()
    return False
