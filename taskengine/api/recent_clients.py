"""Clients as they were a moment ago: submissions that come in crowds do not each ask for theirs.

What was read before is no proof: the intake reads the clients of a batch once more, and records
nothing of one that has changed meanwhile (actors/intake.py). So a key that was removed lets nobody
in, however fresh it was in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from taskengine.model import Client
from taskengine.store import Store

MAX_AGE = 1.0  # seconds
MAX_KEPT = 1_000  # clients


@dataclass(slots=True)
class RecentClients:
    _known: dict[str, tuple[float, Client]] = field(default_factory=dict, init=False)

    def of(self, name: str) -> Client | None:
        """The client, if it was read a moment ago."""
        read, client = self._known.get(name, (0.0, None))
        return client if client and trio.current_time() - read < MAX_AGE else None

    async def read(self, store: Store, name: str) -> Client | None:
        """The client as it is, kept for a moment."""
        read = trio.current_time()
        client = await store.client(name)
        self._known.pop(name, None)
        if client is not None:
            self._known[name] = (read, client)
            while len(self._known) > MAX_KEPT:
                del self._known[next(iter(self._known))]
        return client
