"""What becomes of a queue: who starts when, if jobs last as long as jobs of their workflows did.

A simulation of admission: the slots of both levels, bands, the order of turns. Pure: no clock, no
store. Times are seconds from the moment at which the queue was seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count

from taskengine.admission import Candidate, TakenSlots
from taskengine.policy import UNBOUND, Band, band_of

HORIZON = 30 * 86_400.0  # seconds that are looked ahead
MOST_STARTS = 20_000  # that are looked at: those who go before come faster than they are served

Lane = tuple[str, Band]


@dataclass(frozen=True, slots=True)
class Waiter:
    """A job that waits for a slot. It may stand for several that are like it, which are taken to
    run one after another in one slot."""

    candidate: Candidate
    workflow: str
    ready: float = 0.0  # not before
    copies: float = 1.0


@dataclass(slots=True)
class QueueSimulation:
    """Waiters are given in the order of their turns; `ends` are when slots that are taken become
    free, and whose they are; `lasts` gives how long a job of a workflow holds its slot."""

    slots: TakenSlots
    line: Sequence[Waiter]
    ends: list[tuple[float, str, Band]]
    lasts: Callable[[str], float]
    _lanes: dict[Lane, list[int]] = field(default_factory=lambda: defaultdict(list), init=False)
    _heads: dict[Band, list[tuple[int, Lane]]] = field(init=False)  # lanes, by their first place
    _blocked: dict[str, list[Lane]] = field(default_factory=lambda: defaultdict(list), init=False)

    def start_of(self, wanted: int) -> float | None:
        """When the job with this id starts; None: not as far as is looked ahead."""
        self._heads = {band: [] for band in Band}
        coming = [(one.ready, place) for place, one in enumerate(self.line) if one.ready > 0]
        heapify(coming)
        for place, one in enumerate(self.line):
            if one.ready <= 0:
                self._join(place)
        ends, order, now = [(*end, 0) for end in self.ends], count(1), 0.0
        heapify(ends)
        for _ in range(MOST_STARTS):
            while (started := self._next()) is None:
                now = min((one[0][0] for one in (coming, ends) if one), default=HORIZON)
                if now >= HORIZON:
                    return None
                while ends and ends[0][0] <= now:
                    _, client, band, _ = heappop(ends)
                    self._free(client, band)
                while coming and coming[0][0] <= now:
                    self._join(heappop(coming)[1])
            one = self.line[started]
            if one.candidate.id == wanted:
                return now
            lasts = self.lasts(one.workflow) * one.copies
            heappush(ends, (now + lasts, *self._lane(one), next(order)))
        return None

    def _lane(self, one: Waiter) -> Lane:
        client = one.candidate.client
        limits = self.slots.clients.get(client, UNBOUND)
        return client, band_of(one.candidate.priority, self.slots.system, limits)

    def _join(self, place: int) -> None:
        """A waiter is ready, and may be the first of its lane."""
        lane = self._lane(self.line[place])
        heappush(self._lanes[lane], place)
        if self._lanes[lane][0] == place:
            heappush(self._heads[lane[1]], (place, lane))

    def _next(self) -> int | None:
        """The place of who has the next turn and starts; None: nobody fits."""
        while lane := self._best():
            client, band = lane
            total, own = self.slots.total, self.slots.own
            limits = self.slots.clients.get(client, UNBOUND)
            if not limits.admits(band, own[client, Band.LOW], own[client, Band.HIGH]):
                self._blocked[client].append(lane)
                continue
            total[band] += 1
            own[lane] += 1
            place = heappop(self._lanes[lane])
            if self._lanes[lane]:
                heappush(self._heads[band], (self._lanes[lane][0], lane))
            return place
        return None

    def _best(self) -> Lane | None:
        """The lane of the best place for whose band the system has a slot, taken from the heads."""
        total, system = self.slots.total, self.slots.system
        heads = [
            self._heads[band]
            for band in Band
            if self._heads[band] and system.admits(band, total[Band.LOW], total[Band.HIGH])
        ]
        while heads:
            best = min(heads)
            place, lane = heappop(best)
            if self._lanes[lane] and self._lanes[lane][0] == place:
                return lane
            heads = [one for one in heads if one]  # its lane has a better first place by now
        return None

    def _free(self, client: str, band: Band) -> None:
        """A slot is free again: the client's lanes may go on."""
        self.slots.total[band] -= 1
        self.slots.own[client, band] -= 1
        for lane in self._blocked.pop(client, ()):
            if self._lanes[lane]:
                heappush(self._heads[lane[1]], (self._lanes[lane][0], lane))
