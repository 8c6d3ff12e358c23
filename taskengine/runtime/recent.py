"""Values that were kept last: so many of them, and each for so long."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import trio

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class Recent(Generic[K, V]):
    size: int
    age: float = math.inf  # seconds from which on a value is too old
    _known: dict[K, tuple[float, V]] = field(default_factory=dict, init=False)  # the latest last

    def get(self, key: K) -> V | None:
        """None where there is no value, or one that is too old."""
        since, value = self._known.get(key, (-math.inf, None))
        return value if trio.current_time() - since < self.age else None

    def keep(self, key: K, value: V, since: float | None = None) -> None:
        """It is as old as the time at which it was read, on trio's clock: now, unless told."""
        self._known.pop(key, None)
        self._known[key] = (trio.current_time() if since is None else since, value)
        while len(self._known) > self.size:
            del self._known[next(iter(self._known))]

    def forget(self, key: K) -> None:
        self._known.pop(key, None)

    def __iter__(self) -> Iterator[K]:
        return iter(self._known)
