"""A day of a house that makes video on demand, as a list of jobs: made up, the same each time.

Two desks send captures, films, pictures and keys over the day, most at noon, some with priority;
one of them sends three waves of 25 films, and at one in the night the archive has 90 converted. A
job lasts as jobs of its workflow do: on the average as long as LASTS says, give or take a third.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

HOUR = 3600.0
LASTS = {"capture": 1500.0, "film": 900.0, "pictures": 60.0, "keys": 150.0}  # seconds
SPREAD = 0.35  # standard deviation of run times, of their mean


@dataclass(frozen=True, slots=True)
class DayJob:
    at: float  # seconds since midnight
    client: str
    workflow: str
    priority: int
    lasts: float  # seconds


def day(seed: int) -> list[DayJob]:
    """The jobs of a day, in order."""
    return sorted(_jobs(Random(seed)), key=lambda job: job.at)


def lasts(workflow: str, random: Random) -> float:
    """How long one job of a workflow takes: run times are skewed to the long side."""
    sigma = math.sqrt(math.log(1 + SPREAD**2))
    return LASTS[workflow] * random.lognormvariate(-(sigma**2) / 2, sigma)


def _jobs(random: Random) -> Iterator[DayJob]:
    def job(at: float, client: str, workflow: str, priority: int = 5) -> DayJob:
        return DayJob(at, client, workflow, priority, lasts(workflow, random))

    for _ in range(90):
        yield job(HOUR + random.uniform(0, 600), "archive", "film", 7)
    for hour in range(24):
        is_day = 6 <= hour <= 18
        busy = 0.3 + (0.7 * math.sin((hour - 6) / 12 * math.pi) if is_day else 0.0)
        for _ in range(round(14 * busy)):
            at, client = HOUR * (hour + random.random()), random.choice(("news", "films"))
            yield job(at, client, random.choice([*LASTS]), random.choice((5, 5, 5, 3)))
    for hour in (8, 12, 17):
        for _ in range(25):
            yield job(HOUR * (hour + 0.5) + random.uniform(0, 120), "news", "film")
