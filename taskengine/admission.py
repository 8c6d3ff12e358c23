"""Who is admitted: which queued jobs start, as far as the slots of both levels reach. Pure.

In the order of A11: `top_of_queue`, priority, `position`, age. Where a weight is set, jobs of equal
priority have their turns by the shares of their clients instead (fair_shares.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from taskengine.policy import UNBOUND, Band, Settings, band_of

TASKS_EACH = 10  # of the jobs that one admission may start, on the average: more hold up others


@dataclass(frozen=True, slots=True)
class Candidate:
    """A queued job as admission reads it: one of the first of its client and priority."""

    id: int
    client: str
    top_of_queue: bool
    priority: int
    position: int
    created_at: datetime
    tasks: int = 0  # that it has

    @property
    def rank(self) -> tuple[bool, int, int, datetime, int]:
        """The order of A11."""
        return (*self.group, self.position, self.created_at, self.id)

    @property
    def group(self) -> tuple[bool, int]:
        """Alike among jobs of equal priority, smaller for those that go first."""
        return not self.top_of_queue, self.priority


@dataclass(slots=True)
class TakenSlots:
    """The slots of both levels that are taken, while jobs are chosen."""

    system: Settings
    clients: Mapping[str, Settings]
    total: Counter[Band]
    own: Counter[tuple[str, Band]]

    @classmethod
    def of(
        cls,
        running: Mapping[tuple[str, Band], int],
        system: Settings,
        clients: Mapping[str, Settings],
    ) -> TakenSlots:
        """Those that the running jobs hold."""
        return cls(system, clients, total_of(running), Counter(running))

    def fill(self, jobs: Iterable[Candidate]) -> list[tuple[Candidate, Band]]:
        """Those of the jobs, the best first, that start now, and in which band. One that does not
        fit is passed over, so that a client at its cap holds up no other and a low-band job leaves
        the reserved slots to those behind it."""
        return [(job, band) for job in jobs if (band := self._take(job)) is not None]

    def _take(self, job: Candidate) -> Band | None:
        limits = self.clients.get(job.client, UNBOUND)
        band, client = band_of(job.priority, self.system, limits), job.client
        total, own = self.total, self.own
        if not self.system.admits(band, total[Band.LOW], total[Band.HIGH]):
            return None
        if not limits.admits(band, own[client, Band.LOW], own[client, Band.HIGH]):
            return None
        total[band] += 1
        own[client, band] += 1
        return band


def total_of(running: Mapping[tuple[str, Band], int]) -> Counter[Band]:
    """How many jobs of each band run, of all clients."""
    total: Counter[Band] = Counter()
    for (_, band), number in running.items():
        total[band] += number
    return total


def choose(
    candidates: Iterable[Candidate],
    running: Mapping[tuple[str, Band], int],
    system: Settings,
    clients: Mapping[str, Settings],
) -> list[tuple[Candidate, Band]]:
    """Which queued jobs start now, and in which band: the best first, as far as both levels fit."""
    slots = TakenSlots.of(running, system, clients)
    return slots.fill(sorted(candidates, key=lambda one: one.rank))


def few_enough(
    chosen: Sequence[tuple[Candidate, Band]], tasks: int
) -> Sequence[tuple[Candidate, Band]]:
    """The first of those that start, as far as they have no more tasks than this together; one at
    least."""
    total = 0
    for place, (candidate, _) in enumerate(chosen):
        total += candidate.tasks
        if total > tasks:
            return chosen[: max(place, 1)]
    return chosen


def is_full(
    running: Mapping[tuple[str, Band], int],
    chosen: Iterable[tuple[Candidate, Band]],
    system: Settings,
    last: Candidate,
) -> bool:
    """Whether the system has no room for a job that comes after `last` in the queue, once those
    that are chosen have started."""
    total = total_of(running) + Counter(band for _, band in chosen)
    band = Band.HIGH if last.top_of_queue else system.band(last.priority)
    return not system.admits(band, total[Band.LOW], total[Band.HIGH])


Room = tuple[int, int, int]  # for low jobs, for high ones, and which priorities are high


def rooms(
    running: Mapping[tuple[str, Band], int], system: Settings, clients: Mapping[str, Settings]
) -> tuple[Room, dict[str, Room]]:
    """How many more jobs may start if all were of one client: one without limits of its own, and
    each that has some."""
    total = total_of(running)
    low, high = system.room(total[Band.LOW], total[Band.HIGH])
    own: dict[str, Room] = {}
    for name, limits in clients.items():
        of_client = limits.room(running.get((name, Band.LOW), 0), running.get((name, Band.HIGH), 0))
        threshold = min(system.priority_threshold, limits.priority_threshold)
        own[name] = (min(low, of_client[0]), min(high, of_client[1]), threshold)
    return (low, high, system.priority_threshold), own
