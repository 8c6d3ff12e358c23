"""Fair shares: of equal priorities the next slot goes to the client served least for its weight.

Start-time fair queueing (Goyal, Vin, Cheng: SIGCOMM 1996), with jobs for packets. Each job admitted
takes the virtual time of its client on by a stride, which is the shorter, the larger the client's
weight; whose virtual time is the earliest has the next turn. The system's virtual time is that of
the latest turn, and no client starts before it: a share that was left unused is not saved up.

Pure: no clock, no store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from taskengine.admission import Candidate, TakenSlots
from taskengine.policy import SYSTEM, Band, settings_of

# Of weight 1. A whole number, so that virtual times are exact in either store, and small enough for
# 9 · 10¹² jobs in 64 bits.
STRIDE = 1_000_000
Turn = tuple[int, int, datetime, int]  # virtual time, then position, age and id


@dataclass(frozen=True, slots=True)
class Shares:
    """The weights that are set, by client or for all others (SYSTEM), and virtual times: of the
    system (SYSTEM) and of the clients that were served."""

    weights: Mapping[str, int]
    times: dict[str, int] = field(default_factory=dict)

    def weight(self, client: str) -> int:
        return self.weights.get(client) or self.weights.get(SYSTEM) or 1

    def stride(self, client: str) -> int:
        return STRIDE // self.weight(client)

    def start(self, client: str) -> int:
        """The virtual time at which the client's next job has its turn."""
        return max(self.times.get(SYSTEM, 0), self.times.get(client, 0))

    def serve(self, client: str) -> None:
        """A job of the client is admitted."""
        start = self.start(client)
        self.times[SYSTEM] = start
        self.times[client] = start + self.stride(client)


def weights_of(stored: Mapping[str, str]) -> dict[str, int]:
    """The weights that are set, from the stored texts of each scope: slots are shared where there
    is one."""
    read = {scope: settings_of({"weight": text}).weight for scope, text in stored.items()}
    return {scope: weight for scope, weight in read.items() if weight}


def choose_fairly(
    candidates: Iterable[Candidate], slots: TakenSlots, shares: Shares
) -> list[tuple[Candidate, Band]]:
    """Which queued jobs start now, and in which band, in the order of their turns: those of the
    best priority of which any fits, and of no other, since later turns depend on them. A client
    whose job does not fit is passed over."""
    for _, group in groupby(in_turn(candidates, shares), key=lambda one: one.group):
        if chosen := slots.fill(group):
            return chosen
    return []


def in_turn(candidates: Iterable[Candidate], shares: Shares) -> list[Candidate]:
    """Queued jobs by priority, those of each priority in the order in which they would start if
    there were slots for them alone."""
    served: Counter[tuple[str, bool, int]] = Counter()  # jobs before, of a client and a priority
    turns: dict[int, tuple[tuple[bool, int], Turn]] = {}
    ranked = sorted(candidates, key=lambda one: one.rank)
    for one in ranked:
        lane = (one.client, *one.group)
        time = shares.start(one.client) + served[lane] * shares.stride(one.client)
        turns[one.id] = (one.group, (time, one.position, one.created_at, one.id))
        served[lane] += 1
    return sorted(ranked, key=lambda one: turns[one.id])
