"""How long clients may take, and how many there may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Seconds, but for the last ones."""

    head: float = 10.0  # for a request's head, a TLS handshake, a first byte
    idle: float = 75.0  # between two requests; proxies keep their connections for 60
    stalled: float = 10.0  # in which nothing of an answer is read
    half_closed: float = 30.0  # for an answer to a client that has closed its sending side
    linger: float = 1.0  # in which a client may read an answer that it did not wait for
    grace: float = 3.0  # for requests on their way, when the server stops
    slowest: int = 4_096  # bytes a second that an answer is read with, on average
    head_size: int = 65_536  # bytes
    requests: int = 100_000  # on one connection
    connections: int = 2_000
    connections_per_address: int = 500  # a host behind which there are many, or a proxy
