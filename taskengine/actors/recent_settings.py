"""Settings as they were a moment ago: tasks that fail in crowds do not each ask for them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import trio

from taskengine.policy import SYSTEM, Settings, in_force
from taskengine.store import Store

MAX_AGE = 1.0  # seconds after which a change of settings is seen
MAX_KEPT = 500  # clients


@dataclass(slots=True)
class RecentSettings:
    store: Store
    _known: dict[str, tuple[float, Settings]] = field(default_factory=dict, init=False)

    async def of(self, client: str) -> Settings:
        """What is in force for a client's jobs."""
        read, settings = self._known.pop(client, (-math.inf, Settings()))
        if trio.current_time() - read >= MAX_AGE:
            read = trio.current_time()
            settings = in_force(
                await self.store.settings(SYSTEM), await self.store.settings(client)
            )
        self._known[client] = (read, settings)
        while len(self._known) > MAX_KEPT:
            del self._known[next(iter(self._known))]
        return settings
