"""Settings as they were a moment ago: tasks that fail in crowds do not each ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from taskengine.policy import SYSTEM, Settings, in_force
from taskengine.runtime.recent import Recent
from taskengine.store import Store

MAX_AGE = 1.0  # seconds after which a change of settings is seen
MAX_KEPT = 500  # clients


@dataclass(slots=True)
class RecentSettings:
    store: Store
    _known: Recent[str, Settings] = field(
        default_factory=lambda: Recent(MAX_KEPT, MAX_AGE), init=False
    )

    async def of(self, client: str) -> Settings:
        """What is in force for a client's jobs."""
        settings = self._known.get(client)
        if settings is None:
            read = trio.current_time()
            settings = in_force(
                await self.store.settings(SYSTEM), await self.store.settings(client)
            )
            self._known.keep(client, settings, read)
        return settings
