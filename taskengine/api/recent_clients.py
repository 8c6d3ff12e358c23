"""Clients as they were a moment ago: submissions that come in crowds do not each ask for theirs.

What was read before is no proof: the intake reads the clients of a batch once more, and records
nothing of one that has changed meanwhile (actors/intake.py). So a key that was removed lets nobody
in, however fresh it was in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from taskengine.model import Client
from taskengine.runtime.recent import Recent
from taskengine.store import Store

MAX_AGE = 1.0  # seconds
MAX_KEPT = 1_000  # clients


@dataclass(slots=True)
class RecentClients:
    _known: Recent[str, Client] = field(
        default_factory=lambda: Recent(MAX_KEPT, MAX_AGE), init=False
    )

    def of(self, name: str) -> Client | None:
        """The client, if it was read a moment ago."""
        return self._known.get(name)

    async def read(self, store: Store, name: str) -> Client | None:
        """The client as it is, kept for a moment."""
        read = trio.current_time()
        client = await store.client(name)
        if client is None:
            self._known.forget(name)
        else:
            self._known.keep(name, client, read)
        return client
