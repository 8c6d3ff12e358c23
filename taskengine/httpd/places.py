"""Places for connections: fewer than there are descriptors, and not all for one address.

Who waits for a request holds a place only while nobody else wants it: the one that has waited
longest goes first, connections without a request before those with the beginning of one. So a
flood of idle connections keeps nobody out.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Protocol

from taskengine.httpd.limits import ConnectionLimits

V6_NETWORK = 64  # bits; a subscriber has all addresses below them


class Guest(Protocol):
    """A connection as it is counted."""

    @property
    def network(self) -> str | None: ...
    def leave(self) -> None: ...


class Places:
    """Who is connected. Guests without a network are counted in all alone."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.closing = False  # whether each connection ends with its next answer
        self._total = limits.connections
        self._each = min(limits.connections_per_address, -(-limits.connections // 2))
        self._guests: set[Guest] = set()
        self._networks = Counter[str]()
        self._idle: dict[Guest, None] = {}  # the longest first
        self._beginning: dict[Guest, None] = {}

    def __len__(self) -> int:
        return len(self._guests)

    def take(self, guest: Guest) -> bool:
        """A place, which somebody idle may have to leave for it; False if there is none."""
        network = guest.network
        if network is not None and self._networks[network] >= self._each:
            if not self.make_room(network):
                return False
        elif len(self._guests) >= self._total and not self.make_room():
            return False
        self._guests.add(guest)
        if network is not None:
            self._networks[network] += 1
        return True

    def make_room(self, network: str | None = None) -> bool:
        """Have somebody leave who waits for a request; whether there was one."""
        for waiting in (self._idle, self._beginning):
            for guest in waiting:
                if network in (None, guest.network):
                    self.give_back(guest)
                    guest.leave()
                    return True
        return False

    def give_back(self, guest: Guest) -> None:
        """The place is free; nothing if it was."""
        self.busy(guest)
        if guest in self._guests:
            self._guests.remove(guest)
            if (network := guest.network) is not None:
                self._networks[network] -= 1
                if not self._networks[network]:
                    del self._networks[network]

    def idle(self, guest: Guest) -> None:
        """Nothing of a request has come yet."""
        if guest in self._guests:
            self._idle[guest] = None

    def begins(self, guest: Guest) -> None:
        """Some of a request's head has come."""
        if guest in self._idle:
            del self._idle[guest]
            self._beginning[guest] = None

    def busy(self, guest: Guest) -> None:
        """A request is there, and will be answered."""
        self._idle.pop(guest, None)
        self._beginning.pop(guest, None)

    def close(self) -> None:
        """Have all leave that have not begun a request, and the others once they are answered."""
        self.closing = True
        while self._idle:
            guest = next(iter(self._idle))
            self.give_back(guest)
            guest.leave()


@lru_cache(1024)
def network_of(address: str) -> str:
    """What counts as one address: for IPv6, the network of a subscriber."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if isinstance(known, IPv6Address) and known.ipv4_mapped is None:
        return str(int(known) >> (128 - V6_NETWORK))
    return str(getattr(known, "ipv4_mapped", None) or known)


@lru_cache(1024)
def is_loopback(address: str) -> bool:
    """Whether it is this host: a reverse proxy, behind which there are many."""
    try:
        known = ip_address(address)
    except ValueError:
        return False
    return (getattr(known, "ipv4_mapped", None) or known).is_loopback
