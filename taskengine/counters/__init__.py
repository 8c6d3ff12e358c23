"""Queue counters of all instances: a mirror for people, on which nothing is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How many workers a queue has, how many of them work, how many messages wait for them."""

    workers: int = 0
    working: int = 0
    pending: int = 0

    def __add__(self, other: QueueCount) -> QueueCount:
        return QueueCount(
            self.workers + other.workers,
            self.working + other.working,
            self.pending + other.pending,
        )


QueueCounts = Mapping[str, QueueCount]


class Counters(Protocol):
    async def publish(self, instance: int, counts: QueueCounts) -> None:
        """Show an instance's counters, for a few seconds."""
        ...

    async def withdraw(self, instance: int) -> None: ...

    async def total(self) -> dict[str, QueueCount]:
        """The counters of all live instances, added up. Raises CountersUnavailable."""
        ...


class CountersUnavailable(Exception):
    """The mirror cannot be reached; nobody else notices."""


def added_up(all_counts: list[QueueCounts]) -> dict[str, QueueCount]:
    total: dict[str, QueueCount] = {}
    for counts in all_counts:
        for queue, count in counts.items():
            total[queue] = total.get(queue, QueueCount()) + count
    return total
