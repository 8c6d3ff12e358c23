"""Samples of one thing that is measured, and whether it costs more on a large database."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

BUDGET = 1.5  # seconds for the samples of a request that takes long
FEWEST = 5
SLACK = {"p50": 2.0, "p95": 20.0}  # milliseconds that a busy machine may add; p99 is its stalls
BOUND = {"p50": 2.0, "p95": 4.0}  # how many times as long the large one may take


Action = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Timing:
    """In milliseconds."""

    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: list[float]) -> Timing:
        ordered = sorted(seconds)
        return cls(1000 * ordered[len(ordered) // 2], 1000 * ordered[int(len(ordered) * 0.95)])


Timings = dict[str, list[Timing]]  # by name; one for each database


async def timed(number: int, actions: Sequence[Action], budget: float = math.inf) -> list[Timing]:
    """The times of so many calls of each, or a few where they take longer than `budget` seconds.

    They take turns, so that whatever else the machine does is the same for all. The first calls,
    which plan and fill caches, do not count.
    """
    for action in actions:
        await action()
    seconds: list[list[float]] = [[] for _ in actions]
    started = time.perf_counter()
    for count in range(number):
        if count >= FEWEST and time.perf_counter() - started > budget * len(actions):
            break
        for action, own in zip(actions, seconds, strict=True):
            before = time.perf_counter()
            await action()
            own.append(time.perf_counter() - before)
    return [Timing.of(own) for own in seconds]


def out_of_bounds(small: Timing, large: Timing, answer: float = 1.0) -> list[str]:
    """Which of both figures grew by more than may be, where an answer grows to so many times."""
    return [
        name
        for name in ("p50", "p95")
        if getattr(large, name) > answer * BOUND[name] * getattr(small, name) + SLACK[name]
    ]
