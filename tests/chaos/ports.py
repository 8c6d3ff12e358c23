"""Ports for servers that are killed and started again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager


@contextmanager
def held_port() -> Iterator[int]:
    """A port that stays its server's for the length of the block, whether the server lives or not.

    A socket that is bound and does not listen: the kernel gives its port to nobody who asks for
    any, and servers, which set SO_REUSEADDR, may listen there beside it.
    """
    with closing(socket.socket()) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
