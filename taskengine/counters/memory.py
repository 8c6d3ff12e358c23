"""Counters of this process alone."""

from __future__ import annotations

import trio

from taskengine.counters import QueueCount, QueueCounts, added_up


class MemoryCounters:
    def __init__(self) -> None:
        self._shown: dict[int, QueueCounts] = {}

    async def publish(self, instance: int, counts: QueueCounts) -> None:
        await trio.lowlevel.checkpoint()
        self._shown[instance] = dict(counts)

    async def withdraw(self, instance: int) -> None:
        await trio.lowlevel.checkpoint()
        self._shown.pop(instance, None)

    async def total(self) -> dict[str, QueueCount]:
        await trio.lowlevel.checkpoint()
        return added_up(list(self._shown.values()))
